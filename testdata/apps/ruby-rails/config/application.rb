require_relative "boot"

require "rails"
require "action_controller/railtie"

Bundler.require(*Rails.groups)

module Tiny
  class Application < Rails::Application
    config.load_defaults 7.0
    config.eager_load = true
    config.logger = Logger.new($stdout)
    config.secret_key_base = ENV["SECRET_KEY_BASE"] || SecureRandom.hex(64)
    config.hosts.clear
  end
end
