package server

import "strings"

// match tells whether a path matches a pattern of redirects and headers, and gives what its parts stand for. Segments
// of a pattern are literal, ":name" for any one segment, or, as the last one, "*" for the rest, called splat.
func match(pattern, name string) (map[string]string, bool) {
	found := map[string]string{}
	for {
		p, restPattern, morePattern := strings.Cut(pattern, "/")
		if p == "*" && !morePattern {
			found["splat"] = name
			return found, true
		}
		n, restName, moreName := strings.Cut(name, "/")
		switch {
		case len(p) > 1 && p[0] == ':' && n != "":
			found[p[1:]] = n
		case !morePattern && strings.HasSuffix(p, "*") && strings.HasPrefix(name, strings.TrimSuffix(p, "*")):
			found["splat"] = strings.TrimPrefix(name, strings.TrimSuffix(p, "*"))
			return found, true
		case p != n:
			return nil, false
		}
		if !morePattern || !moreName {
			// "/news/*" is for "/news" too.
			return found, morePattern == moreName || morePattern && restPattern == "*" || moreName && restName == ""
		}
		pattern, name = restPattern, restName
	}
}

// expand puts what a pattern's parts stand for into a target.
func expand(target string, found map[string]string) string {
	if !strings.Contains(target, ":") {
		return target
	}
	parts := strings.Split(target, "/")
	for i, p := range parts {
		if len(p) < 2 || p[0] != ':' {
			continue
		}
		if value, ok := found[p[1:]]; ok {
			parts[i] = value
		}
	}
	return strings.Join(parts, "/")
}
