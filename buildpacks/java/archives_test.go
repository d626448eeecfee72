package java

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

// zipOf makes an archive of names and contents, in turns.
func zipOf(t testing.TB, when time.Time, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: pairs[i], Modified: when, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// class makes the head of a class for a release, with these texts in its constant pool.
func class(release int, texts ...string) string {
	data := binary.BigEndian.AppendUint32(nil, 0xCAFEBABE)
	data = binary.BigEndian.AppendUint16(data, 0)
	data = binary.BigEndian.AppendUint16(data, uint16(release+44)) //nolint:gosec // small
	data = binary.BigEndian.AppendUint16(data, uint16(len(texts)+3))
	data = append(data, tagLong, 0, 0, 0, 0, 0, 0, 0, 0) // counts twice
	for _, text := range texts {
		data = append(data, tagUTF8)
		data = binary.BigEndian.AppendUint16(data, uint16(len(text)))
		data = append(data, text...)
	}
	return string(data)
}

const bootManifest = "Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.launch.JarLauncher\r\n" +
	"Start-Class: com.example.a.very.lo\r\n ng.Name\r\nSpring-Boot-Classes: BOOT-INF/classes/\r\nSpring-Boot-Lib: BOOT-INF/lib/\r\n" +
	"\r\nName: x\r\nMain-Class: other\r\n"

func TestManifest(t *testing.T) {
	m := parseManifest([]byte(bootManifest))
	if got := m.get("start-class"); got != "com.example.a.very.long.Name" {
		t.Errorf("continued line: %q", got)
	}
	if got := m.get("Main-Class"); !strings.HasSuffix(got, "JarLauncher") {
		t.Errorf("another section counts: %q", got)
	}
}

func TestExplodeSpring(t *testing.T) {
	name := "com/example/a/very/long/Name.class"
	archive := zipOf(t, time.Now(), manifestFile, bootManifest,
		"BOOT-INF/classpath.idx", "- \"BOOT-INF/lib/z.jar\"\n- \"BOOT-INF/lib/gone.jar\"\n- \"BOOT-INF/lib/a.jar\"\n",
		"BOOT-INF/layers.idx", "- \"dependencies\":\n  - \"BOOT-INF/lib/\"\n- \"application\":\n  - \"BOOT-INF/lib/m.jar\"\n",
		"BOOT-INF/lib/a.jar", "", "BOOT-INF/lib/z.jar", "", "BOOT-INF/lib/m.jar", "", "BOOT-INF/lib/s-1-SNAPSHOT.jar", "",
		"BOOT-INF/lib/spring-boot-jarmode-tools-3.jar", "", "BOOT-INF/classes/"+name, class(17),
		"BOOT-INF/classes/application.yml", "", "org/springframework/boot/loader/launch/JarLauncher.class", "",
		"META-INF/maven/pom.xml", "", "META-INF/sbom/app.json", "", "../evil", "")
	app := files{"target/app.jar": string(archive), "src/x": ""}.open(t)
	b := &builder{app: app, env: kit.Env{}}
	l, err := b.layOut(t.Context(), &decision{app: candidate{pom: &pom{Dir: "."}, kind: kindSpring}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"classes/" + name, "lib/a.jar", "lib/m.jar", "lib/s-1-SNAPSHOT.jar", "lib/z.jar",
		"resources/META-INF/sbom/app.json", "resources/application.yml"}
	if diff := cmp.Diff(want, list(t, app)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"resources", "classes", "lib/z.jar", "lib/a.jar", "lib/m.jar", "lib/s-1-SNAPSHOT.jar"}, l.Classpath); diff != "" {
		t.Errorf("class path (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"lib/a.jar", "lib/z.jar"}, {"lib/m.jar", "lib/s-1-SNAPSHOT.jar"}, {"resources"}, {"classes"}},
		l.Slices); diff != "" {
		t.Errorf("slices (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"java", "com.example.a.very.long.Name"}, l.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

// TestMainClassIsVerified builds nothing that the manifest's class could be.
func TestMainClassIsVerified(t *testing.T) {
	app := files{"target/app.jar": string(zipOf(t, time.Now(), manifestFile, bootManifest))}.open(t)
	b := &builder{app: app, env: kit.Env{}}
	_, err := b.layOut(t.Context(), &decision{app: candidate{pom: &pom{Dir: "."}, kind: kindSpring}})
	if err == nil || !strings.Contains(err.Error(), "has no BOOT-INF/classes/com/example") {
		t.Errorf("got %v", err)
	}
}

func TestLayOutMain(t *testing.T) {
	app := files{
		"srv/target/classes/a/App.class": class(21), "srv/target/classes/a/x.properties": "", "srv/target/extra.txt": "",
		"srv/target/srv.jar": "", "conf/app.yml": "", "pom.xml": "",
	}.open(t)
	made := filepath.Join(app.Dir, "core.jar")
	for file, when := range map[string]time.Time{made: time.Now(), filepath.Join(t.TempDir(), "core.jar"): time.Unix(0, 0)} {
		if err := os.WriteFile(file, zipOf(t, when, "x", "y", "META-INF/", ""), 0o644); err != nil {
			t.Fatal(err)
		}
		old, _ := os.ReadFile(filepath.Join(app.Dir, "srv/target", classpathFile))
		text := strings.TrimPrefix(string(old)+":"+file, ":")
		if err := os.WriteFile(filepath.Join(app.Dir, "srv/target", classpathFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := &builder{app: app, env: kit.Env{envKeep: "conf/*.yml"}}
	d := &decision{app: candidate{pom: &pom{Dir: "srv"}, kind: kindMain, Main: value{"a.App", "srv/pom.xml:1"}}}
	l, err := b.layOut(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"classes/a/App.class", "conf/app.yml", "lib/2-core.jar", "lib/core.jar", "resources/a/x.properties"}
	if diff := cmp.Diff(want, list(t, app)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(l.Slices[0]) != 1 || len(l.Slices[1]) != 1 {
		t.Errorf("slices: %v", l.Slices)
	}
	z, err := zip.OpenReader(filepath.Join(app.Dir, l.Slices[1][0]))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if got := z.File[0].Modified; got.Year() != 1980 {
		t.Errorf("the app's own archive has the time %v", got)
	}
}

// list gives the files of the app.
func list(t *testing.T, app *kit.App) (all []string) {
	t.Helper()
	err := fs.WalkDir(app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPrebuilt(t *testing.T) {
	plain := func(main string) string {
		return string(zipOf(t, time.Now(), manifestFile, "Main-Class: a.Main\n", main, class(17)))
	}
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want string
		err  string
	}{
		{"jar", files{"app.jar": plain("a/Main.class")}, nil, "app.jar a.Main 17", ""},
		{"one of two", files{"a.jar": plain("a/Main.class"), "lib.jar": string(zipOf(t, time.Now(), "x", ""))}, nil, "a.jar a.Main 17", ""},
		{"two", files{"a.jar": plain("a/Main.class"), "b.jar": plain("a/Main.class")}, nil, "",
			"several archives can be started: a.jar (a.Main), b.jar (a.Main)"},
		{"chosen", files{"a.jar": plain("a/Main.class"), "b.jar": plain("a/Main.class")}, kit.Env{envApp: "b.jar"}, "b.jar a.Main 17", ""},
		{"no main class in it", files{"a.jar": plain("b/Main.class")}, nil, "", "but has no a/Main.class"},
		{"Quarkus", files{quarkusJar: plain("a/Main.class"), "b.jar": plain("a/Main.class")}, nil, quarkusJar + " a.Main 17", ""},
		{"war", files{"app.war": string(zipOf(t, time.Now(), "WEB-INF/web.xml", ""))}, nil, "app.war  0", ""},
		{"content of a jar", files{manifestFile: bootManifest, "BOOT-INF/classes/com/example/a/very/long/Name.class": class(21)}, nil,
			" com.example.a.very.long.Name 21", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := findPrebuilt(c.app.open(t), c.env)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || p == nil {
				t.Fatalf("got %v, %v", p, err)
			}
			if got := p.File + " " + p.Main + " " + itoa(p.Release); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestModules finds modules by references and by strings, and not those of tools.
func TestModules(t *testing.T) {
	u := &usage{known: map[string][]string{}, found: map[string]bool{}, jdk: &jdkModules{
		of: map[string]string{"java/sql/Driver": "java.sql", "java/lang/String": "java.base", "javax/naming/Context": "java.naming",
			"java/awt/Color": "java.desktop", "com/sun/tools/attach/VirtualMachine": "jdk.attach", "com/sun/net/httpserver/HttpServer": "jdk.httpserver",
			"javax/tools/Tool": "java.compiler", "com/sun/source/tree/Tree": "jdk.compiler"},
		names: map[string]bool{"java.base": true, "java.sql": true, "jdk.zipfs": true, "java.xml": true},
	}}
	inner := zipOf(t, time.Now(), "a.class", class(17, "(ILjava/awt/Color;[J)Ljava/util/List<Ljava/lang/String;>;"))
	file := filepath.Join(t.TempDir(), "x.jar")
	archive := zipOf(t, time.Now(), "b.class", class(17, "java.sql.Driver", "com.sun.source.tree.Tree", "com/sun/tools/attach/VirtualMachine"),
		"lib/inner.jar", string(inner), "broken.class", "x")
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time by what is known
		if err := u.scan([]string{filepath.Dir(file)}); err != nil {
			t.Fatal(err)
		}
	}
	anyway, err := u.jdk.anyway([]string{"java.prefs"}, []string{"java.xml"})
	got := u.modules(anyway)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"java.base", "java.desktop", "java.sql", "java.xml", "jdk.zipfs"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := u.jdk.anyway(nil, []string{"java.xyz"}); err == nil {
		t.Error("a module that does not exist is accepted")
	}
}

func TestKeystore(t *testing.T) {
	certificates := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("one")})
	certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("no")})...)
	got := keystore(certificates)
	if binary.BigEndian.Uint32(got) != 0xfeedfeed || binary.BigEndian.Uint32(got[8:]) != 1 || bytes.Contains(got, []byte("no")) {
		t.Errorf("got %q", got)
	}
}

func TestMirrorSettings(t *testing.T) {
	text, err := mirrorSettings("https://repo.example.com/a?b&c")
	if err != nil {
		t.Fatal(err)
	}
	root, err := parseXML("settings.xml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := root.at("mirrors", "mirror", "url").text(); got != "https://repo.example.com/a?b&c" {
		t.Errorf("got %q", got)
	}
}

// TestSettings finds settings where they may be; credentials only ever as the path of a file.
func TestSettings(t *testing.T) {
	bound := libcnb.Bindings{libcnb.NewBinding("a", "/platform/bindings/a", map[string]string{"type": "maven",
		"settings.xml": "<password>secret</password>", "settings-security.xml": "x"})}
	for _, c := range []struct {
		name     string
		app      files
		bindings libcnb.Bindings
		env      kit.Env
		want     string
	}{
		{"none", files{}, nil, nil, ""},
		{"binding", files{"settings.xml": "<settings/>"}, bound, kit.Env{envMirror: "https://example.com"},
			"-s /platform/bindings/a/settings.xml -Dsettings.security=/platform/bindings/a/settings-security.xml"},
		{"the app's", files{"settings.xml": "<settings/>"}, nil, nil, "-s APP/settings.xml"},
		{"not Maven's", files{"settings.xml": "<other/>"}, nil, nil, ""},
		{"the app's options", files{".mvn/maven.config": "-B\n-s\n.mvn/s.xml\n"}, nil, kit.Env{envMirror: "https://example.com"}, ""},
		{"mirror", files{}, nil, kit.Env{envMirror: "https://example.com"}, "-s TMP/s2i-settings.xml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			app := c.app.open(t)
			b := &builder{app: app, env: c.env}
			b.bc.Platform.Bindings = c.bindings
			args, err := b.settings()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.NewReplacer(app.Dir, "APP", os.TempDir(), "TMP").Replace(strings.Join(args, " "))
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzPOM(f *testing.F) {
	f.Add([]byte(projectXML("<modules><module>a</module></modules><properties><a>${b}</a></properties>")))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><project>&b;</project>`))
	f.Add([]byte("<project><parent><relativePath/></parent><profiles><profile/></profiles></project>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePOM("pom.xml", data)
		if err != nil {
			return
		}
		_, _ = p.java()
		_, _ = p.declaredMain()
		_, _ = p.repackages()
		for name := range p.Properties {
			if v, ok := p.property(name); ok && len(v.Text) > maxInterpolated+len(data) {
				t.Errorf("%s has %d bytes", name, len(v.Text))
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(bootManifest))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = describe(&jar{Manifest: parseManifest(data)}) })
}

func FuzzIndexes(f *testing.F) {
	f.Add([]byte("- \"dependencies\":\n  - \"BOOT-INF/lib/\"\n- \"a\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range parseIndex(data) {
			if !fs.ValidPath(name) {
				t.Errorf("%q is no path", name)
			}
		}
		parseLayers(data)
	})
}

func FuzzClass(f *testing.F) {
	f.Add([]byte(class(17, "(Ljava/sql/Driver;)V", "java.sql.Driver", "L;L")))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = classRelease(data)
		_ = constants(data, func(text []byte) { classNames(text, func([]byte, bool) {}) })
	})
}

func FuzzToolFiles(f *testing.F) {
	f.Add("distributionUrl=https\\://example.com/apache-maven-3.9.9-bin.zip", "[tools]\njava=\"21\"")
	f.Fuzz(func(t *testing.T, properties, mise string) {
		app := files{mavenWrapper: properties, gradleWrapper: properties, ".tool-versions": properties, ".java-version": properties,
			"mise.toml": mise, "system.properties": mise}.open(t)
		_, _ = mavenVersion(app)
		_, _ = hints(app)
		_, _ = decideGradle(app, nil, "build.gradle")
		_, _ = parseScript([]byte(properties))
		_ = resultPaths(properties)
	})
}

func FuzzSource(f *testing.F) {
	f.Add([]byte(mainJava), true)
	f.Add([]byte("object X { @JvmStatic fun main("), false)
	f.Fuzz(func(_ *testing.T, data []byte, java bool) {
		name := "a.kt"
		if java {
			name = "A.java"
		}
		_, _ = mainIn(name, data)
	})
}

func FuzzJar(f *testing.F) {
	f.Add(zipOf(f, time.Unix(0, 0), manifestFile, bootManifest, "a.class", class(17)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		j, err := readJar("x.jar", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		sh := describe(j)
		_, _ = sh.classFile(j)
		_ = springOrder(j, sh)
		_ = slices.Sorted(slices.Values([]string{tomcatOf(j)}))
	})
}
