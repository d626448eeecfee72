const polka = require('polka');
const { answer } = require('words');

polka()
  .get('/', (req, res) => res.end(answer()))
  .listen(process.env.PORT || 8080);
