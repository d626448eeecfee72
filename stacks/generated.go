package stacks

import (
	"archive/tar"
	"bytes"
	"path"
	"slices"
	"strings"
)

// generated is the origin of what no package brings.
const generated = "s2i"

// Users and groups of every image. nobody and nonroot are those of Google's distroless images, which tools know; s2i is
// the user that builds and apps run as (lifecycle.UserID).
const (
	passwdRun = "root:x:0:0:root:/root:/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n" +
		"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n" +
		"s2i:x:1000:1000:s2i:/home/s2i:/sbin/nologin\n"
	passwdBuild = "root:x:0:0:root:/root:/bin/bash\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n" +
		"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n" +
		"s2i:x:1000:1000:s2i:/home/s2i:/bin/bash\n"
	group = "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\ns2i:x:1000:\n"
	// nsswitch is what libc-bin has, without modules that are not there.
	nsswitch = "passwd:         files\ngroup:          files\nshadow:         files\ngshadow:        files\n\n" +
		"hosts:          files dns\nnetworks:       files\n\nprotocols:      db files\nservices:       db files\n" +
		"ethers:         db files\nrpc:            db files\n\nnetgroup:       nis\n"
	networks = "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n"
)

// Where certificate authorities are.
const (
	caBundle   = "etc/ssl/certs/ca-certificates.crt"
	caBundleAt = "/" + caBundle
)

// skeleton writes what a base consists of besides packages: directories, the links that merge /bin and the like into
// /usr, users, and what base-files, netbase and tzdata would have set up by their scripts.
func (m *merger) skeleton(image string) error {
	for _, name := range []string{"etc", "home", "media", "mnt", "opt", "proc", "root", "run", "run/lock", "srv", "sys",
		"tmp", "usr", "usr/bin", "usr/lib", "usr/sbin", "usr/share", "usr/local", "usr/local/bin", "usr/local/etc",
		"usr/local/include", "usr/local/lib", "usr/local/sbin", "usr/local/share", "var", "var/lib", "var/tmp"} {
		if err := m.t.mkdir(name, generated); err != nil {
			return err
		}
	}
	for _, h := range []*tar.Header{
		{Name: "home/nonroot", Uid: 65532, Gid: 65532},
		{Name: "home/s2i", Uid: 1000, Gid: 1000},
	} {
		if err := m.t.dir(h, generated); err != nil {
			return err
		}
	}
	for _, l := range [][2]string{{"bin", "usr/bin"}, {"sbin", "usr/sbin"}, {"lib", "usr/lib"},
		{"var/run", "/run"}, {"var/lock", "/run/lock"}, {"etc/localtime", "/usr/share/zoneinfo/Etc/UTC"},
		{"usr/lib/ssl/cert.pem", caBundleAt}, {"etc/os-release", "../usr/lib/os-release"},
		{"etc/mtab", "/proc/self/mounts"}} {
		if err := m.t.symlink(l[0], l[1], generated); err != nil {
			return err
		}
	}
	passwd := passwdRun
	if image == imageBuild {
		passwd = passwdBuild
	}
	for _, f := range [][2]string{{"etc/passwd", passwd}, {"etc/group", group}, {"etc/nsswitch.conf", nsswitch},
		{"etc/networks", networks}, {"usr/lib/os-release", m.osRelease()}} {
		if err := m.t.write(f[0], []byte(f[1]), generated); err != nil {
			return err
		}
	}
	return nil
}

// osRelease is os-release(5) in the order that base-files has.
func (m *merger) osRelease() string {
	order := []string{"PRETTY_NAME", "NAME", "VERSION_ID", "VERSION", "VERSION_CODENAME", "ID"}
	values := m.stack.Config.OSRelease
	for _, k := range sortedKeys(values) {
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
	}
	var b strings.Builder
	for _, k := range order {
		v, ok := values[k]
		switch {
		case !ok:
		case strings.ContainsAny(v, " ():/0123456789"):
			b.WriteString(k + "=\"" + v + "\"\n")
		default:
			b.WriteString(k + "=" + v + "\n")
		}
	}
	return b.String()
}

// finish writes what is made of several packages: the bundle of certificate authorities, and in a base the link to where
// the dynamic linker of amd64 is, which older Debians do not have in a package.
func (m *merger) finish() error {
	if m.base && m.t.has("usr/lib64") && !m.t.has("lib64") {
		if err := m.t.symlink("lib64", "usr/lib64", generated); err != nil {
			return err
		}
	}
	if len(m.certs) == 0 {
		return nil
	}
	var bundle bytes.Buffer
	for _, name := range sortedKeys(m.certs) {
		if strings.HasSuffix(name, ".crt") {
			bundle.Write(m.certs[name])
			if !bytes.HasSuffix(m.certs[name], []byte("\n")) {
				bundle.WriteByte('\n')
			}
		}
	}
	return m.t.write(caBundle, bundle.Bytes(), caPackage)
}

// links are those that packages' scripts register as alternatives, by package: name and target. Where several packages
// offer a name the first one merged has it, as with equal priorities.
func links(pkg string) [][2]string {
	switch pkg {
	case "mawk":
		return [][2]string{{"usr/bin/awk", "mawk"}, {"usr/bin/nawk", "mawk"}}
	case "gawk":
		return [][2]string{{"usr/bin/awk", "gawk"}, {"usr/bin/nawk", "gawk"}}
	case "gcc":
		return [][2]string{{"usr/bin/cc", "gcc"}, {"usr/bin/c89", "c89-gcc"}, {"usr/bin/c99", "c99-gcc"}}
	case "g++":
		return [][2]string{{"usr/bin/c++", "g++"}}
	case "debianutils":
		return [][2]string{{"usr/bin/which", "which.debianutils"}}
	case "bison":
		return [][2]string{{"usr/bin/yacc", "bison.yacc"}}
	case "xz-utils":
		return [][2]string{{"usr/bin/lzma", "xz"}, {"usr/bin/unlzma", "unxz"}, {"usr/bin/lzcat", "xzcat"}}
	case "netcat-openbsd":
		return [][2]string{{"usr/bin/nc", "nc.openbsd"}, {"usr/bin/netcat", "nc.openbsd"}}
	case "less":
		return [][2]string{{"usr/bin/pager", "less"}}
	case "php8.4-cli":
		return [][2]string{{"usr/bin/php", "php8.4"}}
	case "php8.2-cli":
		return [][2]string{{"usr/bin/php", "php8.2"}}
	}
	return nil
}

// libraryLinks are those that packages of libraries register as alternatives: "libblas.so.3" of libblas3 lies in a
// directory "blas" where the dynamic linker does not look.
func (m *merger) libraryLinks(pkg string) [][2]string {
	dir := map[string]string{"libblas3": "blas", "liblapack3": "lapack"}[pkg]
	if dir == "" {
		return nil
	}
	var list [][2]string
	for _, name := range sortedKeys(m.t.seen) {
		file := path.Base(name)
		if parent := path.Dir(name); path.Base(parent) == dir && path.Dir(path.Dir(path.Dir(parent))) == "usr" &&
			file == strings.TrimSuffix(pkg, "3")+".so.3" {
			list = append(list, [2]string{path.Join(path.Dir(parent), file), dir + "/" + file})
		}
	}
	return list
}

// alternatives adds a package's links, where nothing has the name yet and the target is there.
func (m *merger) alternatives(pkg string) error {
	for _, l := range append(links(pkg), m.libraryLinks(pkg)...) {
		if m.t.has(l[0]) || !m.t.has(path.Join(path.Dir(l[0]), l[1])) {
			continue
		}
		if err := m.t.symlink(l[0], l[1], pkg); err != nil {
			return err
		}
	}
	return nil
}
