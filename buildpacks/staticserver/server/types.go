package server

import (
	"path"
	"strings"
)

const (
	typeHTML   = "text/html; charset=utf-8"
	typeText   = "text/plain; charset=utf-8"
	typeBinary = "application/octet-stream"
)

// MediaType gives the media type of a file by its name. The tables of the machine are not asked: the answer must not
// depend on where an image is built.
func MediaType(name string) string {
	if t, ok := mediaTypes()[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	switch path.Base(name) {
	case "LICENSE", "README", "CNAME", "humans":
		return typeText
	case "apple-app-site-association":
		return "application/json"
	}
	return typeBinary
}

// Compressible tells whether a file of this media type can become much smaller.
func Compressible(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	switch base {
	case "application/json", "application/ld+json", "application/manifest+json", "application/geo+json",
		"application/xml", "application/rss+xml", "application/atom+xml", "application/xhtml+xml",
		"application/wasm", "image/svg+xml", "image/bmp", "image/x-icon", "font/ttf", "font/otf",
		"application/vnd.ms-fontobject", "model/gltf+json", "model/gltf-binary":
		return true
	}
	return strings.HasPrefix(base, "text/")
}

// mediaTypes are the types of the IANA registry that sites are made of, by suffix.
func mediaTypes() map[string]string {
	return map[string]string{
		".7z": "application/x-7z-compressed", ".aac": "audio/aac", ".apng": "image/apng", ".atom": "application/atom+xml",
		".avif": "image/avif", ".bin": typeBinary, ".bmp": "image/bmp", ".bz2": "application/x-bzip2",
		".css": "text/css; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".eot": "application/vnd.ms-fontobject",
		".epub": "application/epub+zip", ".flac": "audio/flac", ".geojson": "application/geo+json", ".gif": "image/gif",
		".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".gz": "application/gzip", ".heic": "image/heic",
		".htm": typeHTML, ".html": typeHTML, ".ico": "image/x-icon", ".ics": "text/calendar; charset=utf-8",
		".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
		".jsonld": "application/ld+json", ".jxl": "image/jxl", ".m3u8": "application/vnd.apple.mpegurl",
		".m4a": "audio/mp4", ".m4v": "video/mp4", ".map": "application/json", ".markdown": "text/markdown; charset=utf-8",
		".md": "text/markdown; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".mov": "video/quicktime",
		".mp3": "audio/mpeg", ".mp4": "video/mp4", ".mpeg": "video/mpeg", ".oga": "audio/ogg", ".ogg": "audio/ogg",
		".ogv": "video/ogg", ".opus": "audio/ogg", ".otf": "font/otf", ".pdf": "application/pdf", ".png": "image/png",
		".rss": "application/rss+xml", ".rtf": "application/rtf", ".svg": "image/svg+xml", ".svgz": "image/svg+xml",
		".tar": "application/x-tar", ".tgz": "application/gzip", ".tif": "image/tiff", ".tiff": "image/tiff",
		".toml": "application/toml", ".ts": "video/mp2t", ".tsv": "text/tab-separated-values; charset=utf-8",
		".ttf": "font/ttf", ".txt": typeText, ".vtt": "text/vtt; charset=utf-8", ".wasm": "application/wasm",
		".wav": "audio/wav", ".weba": "audio/webm", ".webm": "video/webm", ".webmanifest": "application/manifest+json",
		".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2", ".xhtml": "application/xhtml+xml",
		".xml": "application/xml", ".xsl": "application/xml", ".yaml": "application/yaml", ".yml": "application/yaml",
		".zip": "application/zip", ".zst": "application/zstd",
	}
}
