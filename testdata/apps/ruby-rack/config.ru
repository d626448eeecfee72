# frozen_string_literal: true

require "greeting"
require "json"

run lambda { |env|
  request = Rack::Request.new(env)
  body = JSON.generate(message: Greeting.for(request.params.fetch("name", "rack")), server: Puma::Const::PUMA_SERVER_STRING)
  [200, { "content-type" => "application/json" }, [body]]
}
