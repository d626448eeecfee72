package java

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path.
type files map[string]string

func (f files) open(t testing.TB) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

// projectXML makes a POM of what is in it, which starts on line 2.
func projectXML(inside string) string {
	return "<project><artifactId>app</artifactId><groupId>g</groupId><version>1</version>\n" + inside + "</project>"
}

const (
	mainJava   = "package a;\n\npublic class App {\n  public static void main(String[] args) {}\n}\n"
	release17  = "<properties><maven.compiler.release>17</maven.compiler.release></properties>"
	bootPlugin = "<build><plugins><plugin><groupId>org.springframework.boot</groupId>" +
		"<artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>"
)

func parent(group, artifact, version string) string {
	return "<parent><groupId>" + group + "</groupId><artifactId>" + artifact + "</artifactId><version>" + version +
		"</version><relativePath/></parent>\n"
}

func pluginXML(artifact, configuration string) string {
	return "<build><plugins><plugin><artifactId>" + artifact + "</artifactId><configuration>\n" + configuration +
		"</configuration></plugin></plugins></build>"
}

func lombok(version string) string {
	return "<dependencies><dependency><groupId>org.projectlombok</groupId><artifactId>lombok</artifactId>" + version +
		"</dependency></dependencies>"
}

func TestJavaVersion(t *testing.T) {
	boot := func(version string) string {
		return parent("org.springframework.boot", "spring-boot-starter-parent", version)
	}
	for _, c := range []struct {
		name, pom string
		more      files
		env       kit.Env
		want      []string
	}{
		{"property", projectXML(release17), nil, nil, []string{"17 pom.xml:2 minimum"}},
		{"reference", projectXML("<properties><v>11</v>\n<maven.compiler.source>${v}</maven.compiler.source></properties>"), nil,
			nil, []string{"11 pom.xml:2 minimum"}},
		{"old way of writing", projectXML("<properties><maven.compiler.target>1.8</maven.compiler.target></properties>"), nil, nil,
			[]string{"8 pom.xml:2 minimum"}},
		{"plugin before property", projectXML(release17 + pluginXML("maven-compiler-plugin", "<release>21</release>")), nil, nil,
			[]string{"21 pom.xml:3 minimum"}},
		{"Spring Boot's parent", projectXML(boot("3.5.0")), nil, nil, []string{"17 pom.xml:2 minimum"}},
		{"an older one", projectXML(boot("2.7.18")), nil, nil, []string{"8 pom.xml:2 minimum"}},
		{"the parent's property", projectXML(boot("3.5.0") + "<properties><java.version>21</java.version></properties>"), nil, nil,
			[]string{"21 pom.xml:3 minimum"}},
		{"Micronaut's parent", projectXML(parent("io.micronaut.platform", "micronaut-parent", "4.10.1")), nil, nil,
			[]string{"17 pom.xml:2 minimum"}},
		{"Kotlin", projectXML(pluginXML("kotlin-maven-plugin", "<jvmTarget>21</jvmTarget>")), nil, nil, []string{"21 pom.xml:3 minimum"}},
		{"enforced", projectXML(pluginXML("maven-enforcer-plugin",
			"<rules><requireJavaVersion>\n<version>[17,22)</version></requireJavaVersion></rules>")), nil, nil,
			[]string{"[17,22) pom.xml:4 "}},
		{"toolchain", projectXML(pluginXML("maven-toolchains-plugin", "<toolchains><jdk><version>17</version></jdk></toolchains>")), nil,
			nil, []string{"[17,18) pom.xml:3 "}},
		{"seven has an end", projectXML("<properties><java.version>7</java.version></properties>"), nil, nil,
			[]string{"7 pom.xml:2 minimum", "[7,19] pom.xml:2 "}},
		{"Lombok has one too", projectXML(release17 + lombok("<version>1.18.20</version>")), nil, nil,
			[]string{"17 pom.xml:2 minimum", "[8,21) pom.xml:2 "}},
		{"a new Lombok has none", projectXML(release17 + lombok("<version>1.18.30</version>")), nil, nil,
			[]string{"17 pom.xml:2 minimum"}},
		{"Lombok of Spring Boot", projectXML(boot("3.1.0") + lombok("")), nil, nil, []string{"17 pom.xml:2 minimum", "[8,21) pom.xml "}},
		{"version managers", projectXML(""), files{".java-version": "temurin-17.0.2\n", ".sdkmanrc": "# x\njava=21.0.2-tem\n",
			".tool-versions": "node 20\njava corretto-11.0.2\n", "system.properties": "java.runtime.version=1.8\n",
			"mise.toml": "[tools]\nnode = \"20\"\njava = [\"25\"]\n"}, nil,
			[]string{"17 .java-version:1 hint", "21 .sdkmanrc:2 hint", "11 .tool-versions:2 hint", "8 system.properties:1 hint",
				"25 mise.toml:3 hint"}},
		{"the user", projectXML(release17), files{".java-version": "11"}, kit.Env{envVersion: "25"},
			[]string{"25 S2I_JAVA_VERSION override"}},
		{"nothing", projectXML(""), files{".java-version": "system\n"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := files{"pom.xml": c.pom, "src/main/java/a/App.java": mainJava}
			for name, text := range c.more {
				app[name] = text
			}
			d, err := decide(app.open(t), c.env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range d.java {
				got = append(got, fmt.Sprintf("%s %s %s", j.Value, j.Source, j.Kind))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMavenVersion(t *testing.T) {
	for url, want := range map[string]string{
		`https\://example.com/org/apache/maven/apache-maven/3.9.12/apache-maven-3.9.12-bin.zip`:        "[3.9.12]",
		`https://example.com/apache-maven-3.6.3-bin.tar.gz`:                                            "[3.6.3]",
		`https://example.com/org/apache/maven/apache-maven/4.0.0-rc-4/apache-maven-4.0.0-rc-4-bin.zip`: "[4.0.0-rc-4]",
		`https://example.com/org/mvndaemon/mvnd/1.0/maven-mvnd-1.0-linux-amd64.zip`:                    "",
		`https://example.com/apache-maven-` + strings.Repeat("9", 100) + `-bin.zip`:                    "",
		``: "",
	} {
		app := files{mavenWrapper: "# comment\ndistributionUrl=" + url + "\n"}.open(t)
		got, err := mavenVersion(app)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%s: got %v", url, got)
		case want != "" && (len(got) != 1 || got[0].Value != want || got[0].Source != mavenWrapper+":2"):
			t.Errorf("%s: got %v, want %s", url, got, want)
		}
	}
}

func TestChoice(t *testing.T) {
	modules := func(names ...string) string {
		return projectXML("<packaging>pom</packaging><modules><module>" + strings.Join(names, "</module><module>") +
			"</module></modules>" + release17)
	}
	module := func(name, inside string) string {
		return "<project><parent><groupId>g</groupId><artifactId>app</artifactId><version>1</version></parent><artifactId>" +
			name + "</artifactId>\n" + inside + "</project>"
	}
	uses := func(name string) string {
		return "<dependencies><dependency><groupId>${project.groupId}</groupId><artifactId>" + name + "</artifactId></dependency></dependencies>"
	}
	for _, c := range []struct {
		name string
		app  files
		env  kit.Env
		want string // command, module, score
	}{
		{"main in the sources", files{"pom.xml": projectXML(release17), "src/main/java/a/App.java": mainJava}, nil,
			"java a.App . 70"},
		{"declared", files{"pom.xml": projectXML(pluginXML("maven-jar-plugin",
			"<archive><manifest><mainClass>x.Y</mainClass></manifest></archive>"))}, nil, "java x.Y . 90"},
		{"shade", files{"pom.xml": projectXML(pluginXML("maven-shade-plugin", "<transformers><transformer/>"+
			"<transformer><mainClass>${m}</mainClass></transformer></transformers>") + "<properties><m>x.Z</m></properties>")}, nil,
			"java x.Z . 90"},
		{"the user's", files{"pom.xml": projectXML("")}, kit.Env{envMain: "q.R"}, "java q.R . 100"},
		{"Kotlin file", files{"pom.xml": projectXML(""), "src/main/kotlin/a/server.kt": "package a\n\nfun main() {}\n"}, nil,
			"java a.ServerKt . 70"},
		{"Kotlin object", files{"pom.xml": projectXML(""),
			"src/main/kotlin/S.kt": "object Boot {\n  @JvmStatic fun main(args: Array<String>) {}\n}\n"}, nil, "java Boot . 70"},
		{"main in a comment", files{"pom.xml": projectXML(""), "src/main/java/a/App.java": mainJava,
			"src/main/java/a/B.java": "package a;\n/* public static void main(String[] a) */ class B {}\n"}, nil, "java a.App . 70"},
		{"Spring Boot", files{"pom.xml": projectXML(parent("org.springframework.boot", "spring-boot-starter-parent", "3.5.0") +
			bootPlugin), "src/main/java/a/App.java": "@SpringBootApplication\n" + mainJava, "src/main/java/a/T.java": strings.ReplaceAll(mainJava, "App", "T")},
			nil, "java a.App . 95"},
		{"Spring Boot without repackaging", files{"pom.xml": projectXML(bootPlugin), "src/main/java/a/App.java": mainJava}, nil,
			"java a.App . 70"},
		{"Spring Boot's war for a container", files{"pom.xml": projectXML("<packaging>war</packaging><build><plugins><plugin>" +
			"<artifactId>spring-boot-maven-plugin</artifactId><executions><execution><goals><goal>repackage</goal></goals>" +
			"<configuration><skip>true</skip></configuration></execution></executions></plugin></plugins></build>")}, nil,
			"Tomcat with . . 90"},
		{"Quarkus", files{"pom.xml": projectXML(pluginXML("quarkus-maven-plugin", ""))}, nil, "java -jar quarkus-run.jar . 95"},
		{"war", files{"pom.xml": projectXML("<packaging>war</packaging>")}, nil, "Tomcat with . . 90"},
		{"the module that is no library", files{"pom.xml": modules("lib", "srv"), "lib/pom.xml": module("lib", ""),
			"lib/src/main/java/a/App.java": mainJava, "srv/pom.xml": module("srv", uses("lib")),
			"srv/src/main/java/a/App.java": mainJava}, nil, "java a.App srv 70"},
		{"the chosen module", files{"pom.xml": modules("x", "y"), "x/pom.xml": module("x", ""), "y/pom.xml": module("y", ""),
			"x/src/main/java/a/App.java": mainJava, "y/src/main/java/a/App.java": mainJava}, kit.Env{envApp: "y"}, "java a.App y 70"},
		{"Procfile", files{"pom.xml": projectXML(""), "Procfile": "web: java -jar target/app.jar\n"}, nil, " . 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(c.app.open(t), c.env)
			if err != nil {
				t.Fatal(err)
			}
			command := ""
			if d.app.kind != kindProcfile {
				command = d.app.command()
			}
			if got := fmt.Sprintf("%s %s %d", command, d.app.pom.Dir, d.app.Score); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const laughs = `<!DOCTYPE project [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>` + "\n<project>&b;</project>"
	wrapper := "distributionUrl=https\\://example.com/gradle-9.1-bin.zip\n"
	for _, c := range []struct {
		name, want string
		app        files
		env        map[string]string
	}{
		{"billion laughs", "pom.xml:1: it has a document type definition", files{"pom.xml": laughs}, nil},
		{"unknown entity", "pom.xml:1: invalid character entity", files{"pom.xml": "<project>&lol;</project>"}, nil},
		{"no POM", "a POM has the root element <project>, this is <html>", files{"pom.xml": "<html/>"}, nil},
		{"broken", "parsing pom.xml:1", files{"pom.xml": "<project><a></b></project>"}, nil},
		{"empty", "it is empty", files{"pom.xml": ""}, nil},
		{"deep", "nested deeper", files{"pom.xml": "<project>" + strings.Repeat("<a>", 200)}, nil},
		{"library", "pom.xml is a library", files{"pom.xml": projectXML("")}, nil},
		{"module outside", "which is outside of the app",
			files{"pom.xml": projectXML("<modules><module>../x</module></modules>")}, nil},
		{"module missing", "there is no x/pom.xml", files{"pom.xml": projectXML("<modules><module>x</module></modules>")}, nil},
		{"several main methods", "several classes have a main method: a.App (src/main/java/a/App.java:4), b.App",
			files{"pom.xml": projectXML(""), "src/main/java/a/App.java": mainJava,
				"src/main/java/b/App.java": strings.Replace(mainJava, "package a", "package b", 1)}, nil},
		{"several modules", "none is better than the others: x (score 90: x/pom.xml packaging war), y",
			files{"pom.xml": projectXML("<packaging>pom</packaging><modules><module>x</module><module>y</module></modules>"),
				"x/pom.xml": projectXML("<packaging>war</packaging>"), "y/pom.xml": projectXML("<packaging>war</packaging>")}, nil},
		{"no such module", "S2I_APP is z, which is no module of pom.xml: there are app", files{"pom.xml": projectXML("")},
			map[string]string{envApp: "z"}},
		{"Java 5", "no Java of the stacks compiles for Java 5",
			files{"pom.xml": projectXML("<properties><java.version>1.5</java.version></properties>"), "src/main/java/a/App.java": mainJava}, nil},
		{"absurd version", `"eleventy" is no version of Java`,
			files{"pom.xml": projectXML("<properties><java.version>eleventy</java.version></properties>"),
				"src/main/java/a/App.java": mainJava}, nil},
		{"wrong runtime", `S2I_JRE is "x"`, files{"pom.xml": projectXML("<packaging>war</packaging>")}, map[string]string{envJRE: "x"}},
		{"Gradle", "gradle/wrapper/gradle-wrapper.properties:1 asks for https://example.com/gradle-9.1-bin.zip",
			files{"build.gradle": "", gradleWrapper: wrapper}, nil},
		{"Gradle without a wrapper", "run `gradle wrapper`", files{"build.gradle.kts": ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{},
				Platform: libcnb.Platform{Environment: c.env}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNotOurs(t *testing.T) {
	for _, c := range []struct {
		name, want string
		app        files
	}{
		{"nothing", "no pom.xml, build.gradle, jar or war", files{"x": ""}},
		{"a library in an app of another language", "and there is package.json", files{"pom.xml": projectXML(""), "package.json": "{}"}},
		{"no jar", "no pom.xml", files{"a.jar": "text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{To: &out}})
			if err != nil || result.Pass || !strings.Contains(out.String(), c.want) {
				t.Errorf("got %v, %v, %q, want %q", result.Pass, err, out.String(), c.want)
			}
		})
	}
}

func TestGradlePlan(t *testing.T) {
	app := files{"build.gradle.kts": "plugins {\n  id(\"org.springframework.boot\") version \"3.5.0\"\n}\njava {\n" +
		"  toolchain { languageVersion = JavaLanguageVersion.of(21) }\n}\n",
		gradleWrapper: "distributionUrl=https\\://example.com/gradle-9.1-bin.zip\n"}.open(t)
	g, err := decideGradle(app, kit.Env{envGradle: "https://mirror.example.com/gradle/"}, "build.gradle.kts")
	if err != nil {
		t.Fatal(err)
	}
	if g.Distribution.Text != "https://mirror.example.com/gradle/gradle-9.1-bin.zip" || strings.Join(g.Tasks, " ") != "bootJar" {
		t.Errorf("got %+v", g)
	}
	if len(g.java) != 1 || g.java[0].Value != "[21,22)" || g.java[0].Source != "build.gradle.kts:5" {
		t.Errorf("got %v", g.java)
	}
	main, libs := parseScript([]byte("#!/bin/sh\nCLASSPATH=$APP_HOME/lib/app.jar:$APP_HOME/lib/x.jar\n\nset -- \\\n" +
		"        -classpath \"$CLASSPATH\" \\\n        com.example.App \\\n        \"$@\"\n"))
	if diff := cmp.Diff([]string{"lib/app.jar", "lib/x.jar"}, libs); main != "com.example.App" || diff != "" {
		t.Errorf("got %q, %v", main, libs)
	}
}

func TestResultPaths(t *testing.T) {
	for command, want := range map[string]string{
		"java $JAVA_OPTS -cp target/classes:target/dependency/* a.Main": "target/classes target/dependency/*",
		"java -jar server/target/app.jar --server.port=$PORT":           "server/target/app.jar",
		"sh target/bin/webapp":      "target",
		"java -jar ../target/x.jar": "",
		"node server.js":            "",
	} {
		if got := strings.Join(resultPaths(command), " "); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}

func TestMavenArgs(t *testing.T) {
	app := files{"pom.xml": projectXML("<packaging>war</packaging>")}.open(t)
	for user, want := range map[string]string{
		"":                     "mvn -B -ntp -DskipTests package",
		"-Pprod -Dx=y":         "mvn -B -ntp -Pprod -Dx=y -DskipTests package",
		"-P prod":              "mvn -B -ntp -P prod -DskipTests package",
		"-P prod clean verify": "mvn -B -ntp -P prod clean verify",
	} {
		env := kit.Env{envMavenArgs: user}
		d, err := decide(app, env)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.mavenArgs(env), " "); got != want {
			t.Errorf("%q: got %q, want %q", user, got, want)
		}
	}
}

func TestParentCycle(t *testing.T) {
	in := func(artifact, parent, path string) string {
		return "<project><artifactId>" + artifact + "</artifactId><parent><groupId>g</groupId><artifactId>" + parent +
			"</artifactId><version>1</version><relativePath>" + path + "</relativePath></parent></project>"
	}
	_, err := decide(files{"pom.xml": in("a", "b", "b"), "b/pom.xml": in("b", "a", "../pom.xml")}.open(t), nil)
	var r *rejection
	if !errors.As(err, &r) || !strings.Contains(err.Error(), "lead back") {
		t.Errorf("got %v", err)
	}
}

// TestPropertiesAreBounded resolves properties that refer to each other: in circles, and to exponential length.
func TestPropertiesAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("<properties><a>${b}</a><b>${a}</b><p0>ha</p0>")
	for i := range 50 {
		fmt.Fprintf(&text, "<p%d>${p%d}${p%d}</p%d>", i+1, i, i, i+1)
	}
	text.WriteString("</properties>")
	p, err := parsePOM("pom.xml", []byte(projectXML(text.String())))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "p50"} {
		if v, ok := p.property(name); !ok || len(v.Text) > maxInterpolated {
			t.Errorf("%s has %d bytes, %v", name, len(v.Text), ok)
		}
	}
}

func TestTomcat(t *testing.T) {
	api := func(group, artifact, version string) string {
		return "<dependencies><dependency><groupId>" + group + "</groupId><artifactId>" + artifact + "</artifactId><version>" +
			version + "</version></dependency></dependencies>"
	}
	for inside, want := range map[string]string{
		api("javax.servlet", "javax.servlet-api", "4.0.1"):                         tomcat9,
		api("javax", "javaee-api", "8.0"):                                          tomcat9,
		api("jakarta.servlet", "jakarta.servlet-api", "6.0.0"):                     tomcat10,
		api("jakarta.servlet", "jakarta.servlet-api", "6.1.0"):                     tomcat11,
		parent("org.springframework.boot", "spring-boot-starter-parent", "2.7.18"): tomcat9,
		parent("org.springframework.boot", "spring-boot-starter-parent", "3.5.0"):  tomcat10,
		parent("org.springframework.boot", "spring-boot-starter-parent", "4.0.1"):  tomcat11,
		"": "",
	} {
		p, err := readProject(files{"pom.xml": projectXML(inside)}.open(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.root.tomcat(); got != want {
			t.Errorf("%s: got %q, want %q", inside, got, want)
		}
	}
}
