const ms = require('ms');

exports.answer = () => `hello from yarn berry after ${ms(60000, { long: true })}\n`;
