// Package php is the buildpack s2i/php: apps in PHP, with Composer or without.
//
// An app is an index.php, in the app's directory or in one of public, web, webroot, html, htdocs, docroot and www. The
// stack supplies PHP and the extensions: those that composer.json and composer.lock require ("ext-intl"), and those that
// the app's own code evidently uses. Packages are installed by `composer install --no-dev`, exactly as composer.lock
// says; a committed directory vendor that agrees with the lock is used as it is. Composer's repository is the one that
// the user's configuration names.
//
// Requests are answered by php-fpm. It has no HTTP of its own, so s2i/static-server stands before it: one small program,
// process 1 of the container, which serves the files, starts and ends php-fpm with itself, and listens on PORT. (PHP's
// own -S is a server for development.) Paths that are no files go to index.php, where frameworks route them.
//
// In the layer config are php-fpm's settings: at most WEB_CONCURRENCY (8) processes, started when needed; errors and
// what the app logs on standard error; the environment passed on. Opcache does not look for changed files. INI files in
// .php.ini.d are read too.
//
// Laravel's and Symfony's migrations are the process release; nothing migrates when the app starts.
//
// Environment variables of the build: S2I_PHP_VERSION, S2I_PHP_ROOT, S2I_COMPOSER_REPOSITORY. A binding of type composer
// with the file auth.json carries credentials; Composer reads it where it is.
package php
