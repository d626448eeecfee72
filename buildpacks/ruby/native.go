package ruby

import (
	"slices"
	"strings"
)

// native gives the packages that a gem with parts in C needs to be compiled; nil for a gem that has none.
func native(gem string) []string {
	switch gem {
	case "pg":
		return []string{"libpq-dev"}
	case "mysql2":
		return []string{"default-libmysqlclient-dev"}
	case "sqlite3":
		return []string{"libsqlite3-dev", "pkgconf"}
	case "ffi":
		return []string{"libffi-dev"}
	case "psych":
		return []string{"libyaml-dev"}
	case "openssl", "eventmachine", "puma":
		return []string{"libssl-dev"}
	case "nokogiri":
		return []string{"libxml2-dev", "libxslt1-dev", "zlib1g-dev", "pkgconf"}
	case "charlock_holmes":
		return []string{"libicu-dev", "zlib1g-dev"}
	case "curb", "patron":
		return []string{"libcurl4-openssl-dev"}
	case "rmagick":
		return []string{"libmagickwand-dev"}
	case "zstd-ruby", "snappy", "bcrypt", "bcrypt_pbkdf", "bigdecimal", "bindex", "bootsnap", "byebug", "cbor", "concurrent-ruby-ext",
		"date", "debug", "digest-crc", "ed25519", "erb", "falcon", "fast_blank", "google-protobuf", "grpc", "hiredis", "hiredis-client",
		"http_parser.rb", "http-parser", "io-console", "io-event", "io-wait", "iodine", "jaro_winkler", "json", "kgio", "levenshtein-ffi",
		"llhttp-ffi", "mini_racer", "msgpack", "murmurhash3", "nio4r", "numo-narray", "oj", "ox", "passenger", "racc", "raindrops", "rbs",
		"rbtree", "redcarpet", "sassc", "stackprof", "strscan", "stringio", "thin", "unf_ext", "unicorn", "websocket-driver", "yajl-ruby",
		"zlib", "racc-ext", "prism", "argon2", "commonmarker", "ruby-prof", "rugged", "scrypt", "sqlite3-ruby", "tiny_tds", "vernier":
		return []string{}
	}
	return nil
}

// compiled gives the gems of the lock that have to be compiled, and the packages that they need for it.
func (l *lockFile) compiled() (gems, packages []string) {
	for gem, version := range l.Gems {
		needs := native(gem)
		if needs == nil || strings.Contains(version, "linux") {
			continue
		}
		gems = append(gems, gem)
		packages = append(packages, needs...)
	}
	slices.Sort(gems)
	slices.Sort(packages)
	return gems, slices.Compact(packages)
}

// debian gives the name of Debian's package of a gem.
func debian(gem string) string {
	switch gem {
	case "puma", "unicorn", "thin", "rails", "rake", "bundler":
		return gem
	}
	name := strings.ToLower(strings.ReplaceAll(gem, "_", "-"))
	return "ruby-" + strings.TrimPrefix(name, "ruby-")
}
