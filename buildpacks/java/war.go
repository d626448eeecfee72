package java

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// The versions of Tomcat that serve wars, by the version of the servlets that they are written for.
const (
	tomcat9  = "9.0.117" // javax.servlet
	tomcat10 = "10.1.59" // jakarta.servlet up to 6.0
	tomcat11 = "11.0.24" // jakarta.servlet 6.1
)

// layOutWAR unpacks a war to the app's directory and adds a servlet container, which Maven fetches.
func (b *builder) layOutWAR(ctx context.Context, s *stage, d *decision) (*layout, error) {
	j, _, err := b.builtJar(d, func(j *jar, _ shape) bool { return path.Ext(j.Name) == ".war" })
	if err != nil {
		return nil, err
	}
	defer j.Close()
	if sh := describe(j); sh.Spring {
		return b.explode(s, j, sh)
	}
	return b.layOutServlets(ctx, s, j, d.app.pom.tomcat())
}

// layOutServlets unpacks a war and adds Tomcat; version is which, "" for what the war itself says.
func (b *builder) layOutServlets(ctx context.Context, s *stage, j *jar, version string) (*layout, error) {
	if version == "" {
		version = tomcatOf(j)
	}
	if err := s.unpack(j, func(name string) string { return name }); err != nil {
		return nil, err
	}
	home, err := b.tomcat(ctx, version)
	if err != nil {
		return nil, err
	}
	var libs []string
	for name := range j.files {
		if strings.HasPrefix(name, "WEB-INF/lib/") {
			libs = append(libs, name)
		}
	}
	released, snapshots := slicesOf(libs, nil)
	return &layout{
		Command: []string{"java", "-cp", home + "/bin/bootstrap.jar:" + home + "/bin/tomcat-juli.jar",
			"-Dcatalina.home=" + home, "-Djava.util.logging.config.file=" + home + "/conf/logging.properties",
			"-Djava.util.logging.manager=org.apache.juli.ClassLoaderLogManager", "-Djava.io.tmpdir=/tmp",
			// What Tomcat's own script opens for finding leaks.
			"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.io=ALL-UNNAMED",
			"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
			"--add-opens=java.rmi/sun.rmi.transport=ALL-UNNAMED",
			"-Dapp=" + b.bc.ApplicationPath, "-Dport=" + kit.Port, "org.apache.catalina.startup.Bootstrap", "start"},
		Slices: [][]string{released, snapshots, {"WEB-INF/classes"}},
		Scan:   []string{b.app.Dir, home},
	}, nil
}

// tomcat tells which Tomcat serves what the POM is written for, "" when it does not say.
func (p *pom) tomcat() string {
	d, ok := p.depends(func(d dependency) bool {
		return strings.HasPrefix(d.Group, "jakarta.") || strings.HasPrefix(d.Group, "javax.servlet") || d.Artifact == "javaee-api"
	})
	boot, _, spring := p.springBoot()
	switch {
	case !ok && spring:
		return tomcatForSpring(first(boot), "2", "3")
	case !ok:
		return ""
	case strings.HasPrefix(d.Group, "javax"):
		return tomcat9
	case strings.HasPrefix(d.Version, "6.1") || d.Artifact == "jakarta.jakartaee-web-api" && strings.HasPrefix(d.Version, "11"):
		return tomcat11
	}
	return tomcat10
}

// tomcatForSpring tells which Tomcat a generation of Spring, or of Spring Boot, is written for: up to the one called
// last, javax.servlet, and then one each.
func tomcatForSpring(major, last, next string) string {
	switch {
	case major == next:
		return tomcat10
	case major <= last && len(major) == 1:
		return tomcat9
	}
	return tomcat11
}

// tomcatOf tells which Tomcat serves a war, by the Spring in it or by which servlets its classes refer to.
func tomcatOf(j *jar) string {
	found := tomcat10
	for _, f := range j.zip.File {
		if version, ok := strings.CutPrefix(f.Name, "WEB-INF/lib/spring-web-"); ok {
			return tomcatForSpring(first(version), "5", "6")
		}
		if path.Ext(f.Name) != ".class" || f.UncompressedSize64 > maxClass {
			continue
		}
		data, err := readEntry(j.Name, f, maxClass)
		if err != nil {
			continue
		}
		_ = constants(data, func(text []byte) {
			if strings.HasPrefix(string(text), "javax/servlet/") {
				found = tomcat9
			}
		})
	}
	return found
}

// tomcat makes the layer of Tomcat, or takes over that of the previous image, and gives its home.
func (b *builder) tomcat(ctx context.Context, version string) (string, error) {
	layer, err := b.bc.Layers.Layer("tomcat")
	if err != nil {
		return "", fmt.Errorf("reading layer tomcat: %w", err)
	}
	key := Version + " " + version
	types := libcnb.LayerTypes{Launch: true, Cache: true} // its classes are looked at every time
	home := filepath.Join(layer.Path, "tomcat")
	if kit.MadeHere(layer, key) {
		b.result.Layers = append(b.result.Layers, kit.Mark(layer, types, key))
		return home, nil
	}
	if layer, err = kit.Fresh(layer, types, key); err != nil {
		return "", err
	}
	artifact := "org.apache.tomcat:tomcat:" + version + ":zip"
	dir := filepath.Join(os.TempDir(), "s2i-tomcat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a place for Tomcat: %w", err)
	}
	args := []string{"mvn", "-B", "-ntp", dependencyPlugin + ":copy", "-Dartifact=" + artifact, "-DoutputDirectory=" + dir}
	// Not in the app's directory: nothing of its POM is of interest.
	if err := b.runMaven(ctx, dir, args, "the app is a war without a server of its own"); err != nil {
		return "", err
	}
	if err := unpackTomcat(filepath.Join(dir, "tomcat-"+version+".zip"), home); err != nil {
		return "", err
	}
	b.result.Layers = append(b.result.Layers, layer)
	return home, nil
}

// unpackTomcat unpacks what runs of Tomcat's distribution, and configures it to serve the app's directory.
func unpackTomcat(file, home string) error {
	j, err := openJar(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	if err != nil {
		return err
	}
	defer j.Close()
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("unpacking Tomcat: %w", err)
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		return fmt.Errorf("unpacking Tomcat: %w", err)
	}
	defer root.Close()
	s := &stage{root: root, left: maxUnpacked}
	err = s.unpack(j, func(name string) string {
		_, name, _ = strings.Cut(name, "/") // apache-tomcat-<version>
		top, _, below := strings.Cut(name, "/")
		switch {
		case !below:
			if name == "LICENSE" || name == "NOTICE" {
				return name
			}
			return ""
		case top == "lib" && !strings.HasPrefix(name, "lib/tomcat-i18n-"):
			return name
		case top == "bin" && (name == "bin/bootstrap.jar" || name == "bin/tomcat-juli.jar"):
			return name
		case top == "conf" && (name == "conf/web.xml" || name == "conf/catalina.properties"):
			return name
		}
		return ""
	})
	return errors.Join(err, s.put("conf/server.xml", strings.NewReader(tomcatServer)),
		s.put("conf/logging.properties", strings.NewReader(tomcatLogging)))
}

// tomcatServer is Tomcat's configuration: one connector on PORT, the app at the root, nothing written but below /tmp.
const tomcatServer = `<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1">
  <Listener className="org.apache.catalina.core.JreMemoryLeakPreventionListener"/>
  <Listener className="org.apache.catalina.mbeans.GlobalResourcesLifecycleListener"/>
  <Listener className="org.apache.catalina.core.ThreadLocalLeakPreventionListener"/>
  <Service name="Catalina">
    <Connector port="${port}" protocol="HTTP/1.1" connectionTimeout="20000"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Valve className="org.apache.catalina.valves.RemoteIpValve" protocolHeader="x-forwarded-proto"/>
      <Host name="localhost" appBase="/tmp/webapps" autoDeploy="false" deployOnStartup="false" unpackWARs="false">
        <Valve className="org.apache.catalina.valves.ErrorReportValve" showReport="false" showServerInfo="false"/>
        <Context path="" docBase="${app}" workDir="/tmp/tomcat" reloadable="false">
          <Manager pathname=""/>
        </Context>
      </Host>
    </Engine>
  </Service>
</Server>
`

// tomcatLogging sends everything to the error output.
const tomcatLogging = `handlers = java.util.logging.ConsoleHandler
.level = INFO
java.util.logging.ConsoleHandler.level = INFO
java.util.logging.ConsoleHandler.formatter = org.apache.juli.OneLineFormatter
`
