# frozen_string_literal: true

require "socket"
require "words"

# A server of a few lines: the app is about its gem.
server = TCPServer.new("0.0.0.0", Integer(ENV.fetch("PORT", "8080")))
%w[TERM INT].each { |signal| trap(signal) { exit } }

loop do
  client = server.accept
  nil until client.gets.to_s.strip.empty?
  body = Words.join("hello", "from", "vendored", "gems")
  client.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
  client.close
end
