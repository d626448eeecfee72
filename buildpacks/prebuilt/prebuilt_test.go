package prebuilt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// elf makes the headers of a file: its type, machine, interpreter, and whether it says that it is a program.
func elf(kind, machine uint16, interpreter string, pie bool) string {
	var b bytes.Buffer
	write := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x)
		}
	}
	interp := uint64(headerSize + 3*programSize)
	dynamic := interp + 64
	write([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9), kind, machine, uint32(1), uint64(0), uint64(headerSize), uint64(0),
		uint32(0), uint16(headerSize), uint16(programSize), uint16(3), [3]uint16{})
	segment := func(t uint32, at, size uint64) {
		write(t, uint32(4), at, uint64(0), uint64(0), size, size, uint64(1))
	}
	segment(1, 0, 64)
	if interpreter == "" {
		segment(1, 0, 64)
	} else {
		segment(programInterp, interp, uint64(len(interpreter)+1))
	}
	segment(programDyn, dynamic, 32)
	write(append([]byte(interpreter), make([]byte, 64-len(interpreter))...))
	flags := uint64(0)
	if pie {
		flags = flagPIE
	}
	write(uint64(tagFlags1), flags, uint64(0), uint64(0))
	return b.String()
}

const (
	glibc = "/lib64/ld-linux-x86-64.so.2"
	musl  = "/lib/ld-musl-x86_64.so.1"
)

func TestReadProgram(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       program
		err        string
	}{
		{"static", elf(typeExec, 62, "", false), program{Arch: "amd64"}, ""},
		{"static, anywhere", elf(typeDyn, 183, "", true), program{Arch: "arm64"}, ""},
		{"dynamic", elf(typeDyn, 62, glibc, true), program{Arch: "amd64", Interpreter: glibc}, ""},
		{"library", elf(typeDyn, 62, "", false), program{}, errNoProgram.Error()},
		{"object", elf(1, 62, "", false), program{}, errNoProgram.Error()},
		{"other processor", elf(typeExec, 243, "", false), program{}, "another processor than amd64 or arm64 (ELF machine 243)"},
		{"32 bits", "\x7fELF\x01\x01" + strings.Repeat("\x00", 64), program{}, "32 bits"},
		{"macOS", "\xcf\xfa\xed\xfe" + strings.Repeat("\x00", 64), program{}, "for macOS"},
		{"Windows", "MZ" + strings.Repeat("\x00", 64), program{}, "for Windows"},
		{"text", strings.Repeat("x", 100), program{}, errNoProgram.Error()},
		{"cut off", elf(typeExec, 62, glibc, false)[:80], program{}, errDamaged.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readProgram(strings.NewReader(c.data))
			if got != c.want && c.err == "" || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %+v, %v, want %+v, %q", got, err, c.want, c.err)
			}
		})
	}
}

// files are an app, by path.
type files map[string]string

func (f files) dir(t *testing.T) string {
	t.Helper()
	return kittest.Dir(t, f)
}

func TestDetect(t *testing.T) {
	static, dynamic := elf(typeExec, 62, "", false), elf(typeDyn, 62, glibc, true)
	for _, c := range []struct {
		name string
		app  files
		env  map[string]string
		want []string // type, default and the packages needed
		err  string
	}{
		{"one", files{"bin/x": static, "bin/lib.so.1": dynamic, "README": "x"}, nil, []string{"web true"}, ""},
		{"dynamic", files{"x": dynamic}, nil, []string{"web true", "base"}, ""},
		{"musl", files{"x": elf(typeDyn, 62, musl, true)}, nil, []string{"web true", "base", "musl"}, ""},
		{"several", files{"x": static, "bin/server": static}, nil, []string{"server true", "x false"}, ""},
		{"several and a Procfile", files{"x": static, "y": static, "Procfile": "web: ./y\n"}, nil, []string{"x false", "y false"}, ""},
		{"two processors", files{"x-linux-amd64": static, "x-linux-arm64": elf(typeExec, 183, "", false)}, nil, []string{"web true"}, ""},
		{"named", files{"deep/x": static, "y": static}, map[string]string{envApp: "deep/x"}, []string{"web true"}, ""},
		{"tie", files{"x": static, "y": static}, nil, nil, "nothing tells which: x (score 0), y (score 0)"},
		{"none", files{"x": "#!/bin/sh\n"}, nil, nil, "no executable for Linux"},
		{"foreign", files{"x": "MZ" + strings.Repeat("\x00", 64)}, nil, nil, "x: it is a program for Windows"},
		{"elsewhere", files{"x": elf(typeDyn, 62, "/nix/store/abc/ld-linux-x86-64.so.2", true)}, nil, nil, "in no package"},
		{"named badly", files{"x": "text"}, map[string]string{envApp: "x"}, nil, "S2I_APP is x: it is no executable"},
		{"outside", files{"x": static}, map[string]string{envApp: "../x"}, nil, "S2I_APP is ../x, which is no file of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.dir(t), Logger: kit.Log{To: &out},
				Platform: libcnb.Platform{Environment: c.env}})
			if c.err != "" {
				said := out.String() + fmt.Sprint(err)
				if result.Pass || !strings.Contains(said, c.err) {
					t.Errorf("got %v, %q, want %q", result.Pass, said, c.err)
				}
				return
			}
			if err != nil || !result.Pass {
				t.Fatalf("got %v, %v, said %q", result.Pass, err, out.String())
			}
			app, err := kit.OpenApp(c.app.dir(t))
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			list, err := decide(app, c.env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range list {
				got = append(got, fmt.Sprint(p.Type, " ", p.Default))
			}
			for _, r := range result.Plans[0].Requires {
				if r.Name != id {
					got = append(got, r.Name)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	app := files{"bin/x-amd64": elf(typeExec, 62, "", false)}
	build := func(arch string) (libcnb.BuildResult, string, error) {
		dir := app.dir(t)
		result, err := Build(libcnb.BuildContext{ApplicationPath: dir, Layers: libcnb.Layers{Path: t.TempDir()},
			Logger: kit.Log{}, TargetInfo: libcnb.TargetInfo{OS: "linux", Arch: arch}})
		return result, dir, err
	}
	result, dir, err := build("amd64")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "bin/x-amd64")
	if len(result.Processes) != 1 || result.Processes[0].Command[0] != file || !result.Processes[0].Default {
		t.Errorf("processes are %+v", result.Processes)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if _, _, err := build("arm64"); err == nil || !strings.Contains(err.Error(), "--platform linux/amd64") {
		t.Errorf("for another processor: %v", err)
	}
}

func FuzzReadProgram(f *testing.F) {
	f.Add([]byte(elf(typeDyn, 62, glibc, true)))
	f.Add([]byte(elf(typeExec, 183, "", false)))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readProgram(bytes.NewReader(data))
		if err == nil && p.Arch == "" || errors.Is(err, errNoProgram) && p.Arch != "" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}
