package kit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What tools print when a host cannot be reached, and what is to be made of it.
func TestUnreached(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"npm", "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request to " +
			"https://npm.example.com/left-pad failed, reason: getaddrinfo ENOTFOUND npm.example.com\n",
			"npm.example.com (its name does not resolve)"},
		{"npm 403", "npm error code E403\nnpm error 403 403 Forbidden - GET https://npm.example.com/left-pad\n",
			"npm.example.com (it answers 403 Forbidden: a proxy or the server does not allow it)"},
		{"pnpm", " ERR_PNPM_META_FETCH_FAIL  GET https://npm.example.com/x: request to https://npm.example.com/x failed, " +
			"reason: getaddrinfo EAI_AGAIN npm.example.com\n", "npm.example.com (its name does not resolve)"},
		{"pnpm 403", " ERR_PNPM_FETCH_403  GET https://npm.example.com/x: Forbidden - 403",
			"npm.example.com (it answers 403 Forbidden: a proxy or the server does not allow it)"},
		{"yarn 1", "error An unexpected error occurred: \"https://npm.example.com/x: getaddrinfo ENOTFOUND npm.example.com\".",
			"npm.example.com (its name does not resolve)"},
		{"yarn berry", "➤ YN0035: │ The remote server failed to provide the requested resource\n" +
			"➤ YN0035: │   Response Code: 403 (Forbidden)\n➤ YN0035: │   Request Method: GET\n" +
			"➤ YN0035: │   Request URL: https://npm.example.com/x\n",
			"npm.example.com (it answers 403 Forbidden: a proxy or the server does not allow it)"},
		{"bun", "GET https://npm.example.com/x\nerror: ConnectionRefused downloading package manifest x\n",
			"npm.example.com (it refuses connections)"},
		{"node", "Error: connect ECONNREFUSED 127.0.0.1:5432\n", "127.0.0.1 (it refuses connections)"},
		{"uv", "error: Failed to fetch: `https://py.example.com/simple/flask/`\n  Caused by: error sending request for url " +
			"(https://py.example.com/simple/flask/)\n  Caused by: client error (Connect)\n  Caused by: dns error\n" +
			"  Caused by: failed to lookup address information: Name or service not known\n",
			"py.example.com (its name does not resolve)"},
		{"mvn 401", "[ERROR] Could not transfer artifact com.example:lib:pom:1 from/to corp (https://repo.example.com/maven): " +
			"status code: 401, reason phrase: Unauthorized (401)\n", ""},
		{"uv 404", "error: Failed to fetch: `https://py.example.com/x`\n" +
			"  Caused by: HTTP status client error (404 Not Found) for url (https://py.example.com/x)\n", ""},
		{"pip", "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(\"" +
			"HTTPSConnection(host='py.example.com', port=443): Failed to establish a new connection: [Errno -2] Name or " +
			"service not known\")': /simple/x/\n", "py.example.com (its name does not resolve)"},
		{"pip behind a proxy", "Looking in indexes: https://user:secret@py.example.com/simple\nWARNING: Retrying after " +
			"connection broken by 'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden'))'",
			"py.example.com (the proxy refuses to connect to it)"},
		{"maven", "[ERROR] Could not transfer artifact g:a:pom:1 from/to central (https://mvn.example.com/maven2): " +
			"mvn.example.com: Name or service not known\n", "mvn.example.com (its name does not resolve)"},
		{"maven 403", "Could not transfer artifact g:a:pom:1 from/to central (https://mvn.example.com/m2): status code: 403, " +
			"reason phrase: Forbidden (403)", "mvn.example.com (it answers 403 Forbidden: a proxy or the server does not allow it)"},
		{"java", "Exception in thread \"main\" java.net.UnknownHostException: dist.example.com\n",
			"dist.example.com (its name does not resolve)"},
		{"cargo", "warning: spurious network error (3 tries remaining): [6] Could not resolve hostname " +
			"(Could not resolve host: index.example.com)\n", "index.example.com (its name does not resolve)"},
		{"cargo git", "  failed to fetch into: /x\nCaused by:\n  failed to resolve address for git.example.com: Name or " +
			"service not known; class=Net (12)\n", "git.example.com (its name does not resolve)"},
		{"go", "go: example.com/x@v1: Get \"https://proxy.example.com/x/@v/v1.mod\": dial tcp: lookup proxy.example.com on " +
			"127.0.0.1:53: no such host\n", "proxy.example.com (its name does not resolve)"},
		{"go refused", "Get \"https://proxy.example.com/x\": dial tcp 192.0.2.1:443: connect: connection refused",
			"proxy.example.com (it refuses connections)"},
		{"go 403", "reading https://proxy.example.com/x/@v/v1.mod: 403 Forbidden",
			"proxy.example.com (it answers 403 Forbidden: a proxy or the server does not allow it)"},
		{"bundler", "Could not reach host gems.example.com. Check your network connection and try again.",
			"gems.example.com (its name does not resolve)"},
		{"composer", "  curl error 6 while downloading https://php.example.com/packages.json: Could not resolve host: " +
			"php.example.com", "php.example.com (its name does not resolve)"},
		{"curl", "curl: (6) Could not resolve host: dl.example.com\r\ncurl: (7) Failed to connect to b.example.com port 443 " +
			"after 1 ms: Couldn't connect to server\n", "dl.example.com (its name does not resolve), b.example.com (no connection)"},
		{"git", "fatal: unable to access 'https://git.example.com/a/b/': Could not resolve host: git.example.com",
			"git.example.com (its name does not resolve)"},
		{"deno", "error: Import 'https://deno.example.com/x.ts' failed: error sending request for url " +
			"(https://deno.example.com/x.ts): client error (Connect): dns error", "deno.example.com (its name does not resolve)"},
		{"undici", "TypeError: fetch failed\n  [cause]: Error: getaddrinfo ENOTFOUND fonts.example.com\n",
			"fonts.example.com (its name does not resolve)"},
		{"a certificate", "curl: (60) SSL certificate problem: unable to get local issuer certificate\nhttps://a.example.com/",
			"a.example.com (its certificate is not trusted)"},
		{"one of many", "downloading https://a.example.com/x\ndownloading https://b.example.com/y\n", ""},
		{"prose", "This page explains what ENOTFOUND means.\n", ""},
		{"another reason", "error TS2304: Cannot find name 'x' (see https://example.com/TS2304)\nexit 2", ""},
	} {
		w := &hostWatch{}
		for part := range strings.SplitAfterSeq(c.output, "e") { // as pipes deliver it
			_, _ = w.Write([]byte(part))
		}
		w.flush()
		got := ""
		if len(w.found) > 0 {
			got = strings.TrimPrefix(unreachedText(w.found), "could not reach ")
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func FuzzUnreached(f *testing.F) {
	f.Add([]byte("getaddrinfo ENOTFOUND a.example.com\nhttps://u:p@b.example.com 403 Forbidden\n"), 7)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		w := &hostWatch{}
		at = max(0, min(at, len(data)))
		_, _ = w.Write(data[:at])
		_, _ = w.Write(data[at:])
		w.flush()
		if len(w.found) > maxUnreached || cap(w.line) > 2*maxWatchedLine {
			t.Fatalf("it keeps %d hosts and %d bytes", len(w.found), cap(w.line))
		}
		for _, u := range w.found {
			if u.Host == "" || len(u.Host) > 253 || strings.ContainsAny(u.Host, " /@\x1b\n") {
				t.Fatalf("%q is no host", u.Host)
			}
		}
	})
}
