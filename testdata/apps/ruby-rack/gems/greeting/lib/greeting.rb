# frozen_string_literal: true

module Greeting
  def self.for(whom) = "hello from #{whom}"
end
