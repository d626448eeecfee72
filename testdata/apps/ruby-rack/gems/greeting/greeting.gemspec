Gem::Specification.new do |spec|
  spec.name = "greeting"
  spec.version = "1.0.0"
  spec.summary = "Greetings"
  spec.authors = ["The authors of s2i"]
  spec.license = "Apache-2.0"
  spec.files = ["lib/greeting.rb"]
end
