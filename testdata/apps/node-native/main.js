const http = require('http');
const bcrypt = require('bcrypt');

http.createServer((req, res) => {
  const hash = bcrypt.hashSync('secret', 4);
  res.end(`compiled: ${bcrypt.compareSync('secret', hash)}\n`);
}).listen(process.env.PORT || 8080);
