// Package ruby is the buildpack s2i/ruby: apps in Ruby, with Bundler or without.
//
// An app is something to start: a Procfile whose process web starts Ruby, Rails, a config.ru with a server among the
// gems (puma, unicorn, falcon, thin, iodine, or rackup with webrick), or a single app.rb, main.rb or server.rb. The
// version of Ruby is what Gemfile and .ruby-version say; RUBY VERSION in Gemfile.lock is a hint.
//
// Gems are installed by `bundle install`, frozen when there is a Gemfile.lock, without the groups development and test,
// into the layer gems. It is used again as long as the lock, Ruby and the machine's architecture stay the same. A
// directory vendor/cache makes the installation local. The sources are those of the Gemfile, or the mirror that Bundler's
// own configuration names.
//
// With S2I_RUBY_GEMS=debian the gems are Debian's packages of them (ruby-sinatra, puma …) instead: no gem source is asked,
// they are shared by all images, and patched by a rebase.
//
// For Rails, assets are precompiled, with a dummy for the secret; db:migrate is the process release.
//
// Environment variables of the build: S2I_RUBY_VERSION, S2I_RUBY_GEMS, BUNDLE_WITHOUT. A binding of type bundler with a
// file config is Bundler's configuration of the user: mirrors and credentials; a secret named as one of Bundler's variables
// (BUNDLE_GEMS__EXAMPLE__COM) is that variable, while gems are installed.
package ruby
