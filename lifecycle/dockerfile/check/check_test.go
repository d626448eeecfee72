package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// options are those of a build for linux/amd64, with one base image.
func options() Options {
	return Options{
		Platform: "linux/amd64",
		Predefined: []string{"BUILDPLATFORM=linux/amd64", "BUILDOS=linux", "BUILDARCH=amd64",
			"TARGETPLATFORM=linux/amd64", "TARGETOS=linux", "TARGETARCH=amd64", "TARGETSTAGE=default"},
		Base: func(_ context.Context, name, _ string) (*v1.ConfigFile, error) {
			c := &v1.ConfigFile{OS: "linux", Architecture: "amd64"}
			switch name {
			case "tools":
				c.Config.Env = []string{"PATH=/bin", "GOPATH=/go"}
			case "shells":
				c.Config.Shell = []string{"/bin/bash", "-c"}
			case "arm":
				c.Architecture = "arm64"
			default:
				return nil, errors.New("no such image")
			}
			return c, nil
		},
	}
}

// TestRules has for every rule what violates it and what does not. want are the findings, as LINE RULE.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ignore     []string
		args       map[string]string
		want       string
	}{
		{name: "StageNameCasing", text: "FROM scratch AS Upper\nFROM scratch AS lower\n", want: "1 StageNameCasing"},
		{name: "FromAsCasing", text: "FROM scratch as one\nFROM scratch AS two\n", want: "1 FromAsCasing"},
		{name: "FromAsCasing in lower case", text: "from scratch as one\nfrom scratch AS two\n", want: "2 FromAsCasing"},
		{name: "NoEmptyContinuation", text: "FROM scratch\nCOPY a \\\n\n b\n", want: "4 NoEmptyContinuation"},
		{name: "a continuation with a comment", text: "FROM scratch\nCOPY a \\\n# so\n b\n"},
		{name: "ConsistentInstructionCasing", text: "FROM scratch\ncopy a b\nCOPY a c\n", want: "2 ConsistentInstructionCasing"},
		{name: "casing of the majority", text: "from scratch\ncopy a b\nCOPY a c\n", want: "3 ConsistentInstructionCasing"},
		{name: "casing, mixed", text: "From scratch\n", want: "1 ConsistentInstructionCasing"},
		{name: "casing, all lower", text: "from scratch\ncopy a b\n"},
		{name: "casing, a tie is upper", text: "FROM scratch\ncopy a b\n", want: "2 ConsistentInstructionCasing"},
		{name: "DuplicateStageName", text: "FROM scratch AS a\nFROM scratch AS a\n", want: "2 DuplicateStageName"},
		{name: "stages without names", text: "FROM scratch\nFROM scratch\n"},
		{name: "ReservedStageName", text: "FROM scratch AS scratch\nFROM tools AS context\nFROM tools AS ctx\n",
			want: "1 ReservedStageName; 2 ReservedStageName"},
		{name: "JSONArgsRecommended", text: "FROM scratch\nCMD run me\n", want: "2 JSONArgsRecommended"},
		{name: "JSONArgsRecommended for ENTRYPOINT", text: "FROM scratch\nENTRYPOINT run me\n", want: "2 JSONArgsRecommended"},
		{name: "JSON", text: "FROM scratch\nCMD [\"run\"]\nENTRYPOINT [\"me\"]\n"},
		{name: "a shell of its own", text: "FROM scratch\nSHELL [\"/sh\"]\nCMD run\n"},
		{name: "a shell of the stage below", text: "FROM scratch AS a\nSHELL [\"/sh\"]\nFROM a\nCMD run\n"},
		{name: "a shell of the base", text: "FROM shells\nCMD run\n"},
		{name: "a base that cannot be read", text: "FROM gone\nCMD run $unknown\nENV a=$b\n"},
		{name: "MaintainerDeprecated", text: "FROM scratch\nMAINTAINER me\n", want: "2 MaintainerDeprecated"},
		{name: "author as a label", text: "FROM scratch\nLABEL org.opencontainers.image.authors=me\n"},
		{name: "UndefinedArgInFrom", text: "FROM tools${version}\n", want: "1 UndefinedArgInFrom"},
		{name: "UndefinedArgInFrom in --platform", text: "FROM --platform=linux/amd64$BULIDPLATFORM tools\n", want: "1 UndefinedArgInFrom"},
		{name: "ARG before FROM", text: "ARG version\nFROM tools${version}\n"},
		{name: "a predefined ARG", text: "FROM --platform=$BUILDPLATFORM tools\n"},
		{name: "WorkdirRelativePath", text: "FROM scratch\nWORKDIR app\nWORKDIR below\n", want: "2 WorkdirRelativePath"},
		{name: "WORKDIR below an absolute one", text: "FROM scratch AS a\nWORKDIR /app\nFROM a\nWORKDIR below\n"},
		{name: "UndefinedVar", text: "FROM tools\nCOPY $foo .\nARG foo=bar\nCOPY $foo .\n", want: "2 UndefinedVar"},
		{name: "UndefinedVar in ARG", text: "FROM tools\nARG a=$b\n", want: "2 UndefinedVar"},
		{name: "UndefinedVar in a heredoc", text: "FROM tools\nCOPY <<A /a\n$b\nA\n", want: "2 UndefinedVar"},
		{name: "ARG without value", text: "FROM tools\nARG foo\nCOPY x$foo .\n"},
		{name: "ARG of the stage below", text: "FROM tools AS a\nARG foo=1\nFROM a\nCOPY x$foo .\n"},
		{name: "ENV", text: "FROM tools\nENV a=1\nENV b=$a c=$GOPATH PATH=$PATH:/x\n"},
		{name: "what the shell expands", text: "FROM tools\nRUN echo $nothing\n"},
		{name: "MultipleInstructionsDisallowed", want: "2 MultipleInstructionsDisallowed; 4 MultipleInstructionsDisallowed; 6 MultipleInstructionsDisallowed",
			text: "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n"},
		{name: "one in each stage", text: "FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n"},
		{name: "LegacyKeyValueFormat", text: "FROM scratch\nENV a b\nLABEL c d\n", want: "2 LegacyKeyValueFormat; 3 LegacyKeyValueFormat"},
		{name: "NAME=value", text: "FROM scratch\nENV a=b\nLABEL c=d\n"},
		{name: "InvalidBaseImagePlatform", text: "FROM arm\n", want: "1 InvalidBaseImagePlatform"},
		{name: "the platform asked for", text: "FROM --platform=linux/arm64 arm AS arm64\n"},
		{name: "RedundantTargetPlatform", text: "FROM --platform=$TARGETPLATFORM tools\n", want: "1 RedundantTargetPlatform"},
		{name: "platform in parts", text: "FROM --platform=$TARGETOS/$TARGETARCH tools\n"},
		{name: "SecretsUsedInArgOrEnv", want: "2 SecretsUsedInArgOrEnv; 3 SecretsUsedInArgOrEnv; 3 SecretsUsedInArgOrEnv",
			text: "FROM scratch\nARG GITHUB_TOKEN\nENV apikey=1 db_Password=2 tokens=3 keyboard=4\n"},
		{name: "no secrets", text: "FROM scratch\nENV PUBLIC_KEY=1 PASSWORD_FILE=2 AUTH_VERSION=3 monkey=4\n"},
		{name: "InvalidDefaultArgInFrom", text: "ARG v\nFROM tools:$v\n", args: map[string]string{"v": "1"}, want: "2 InvalidDefaultArgInFrom"},
		{name: "InvalidDefaultArgInFrom, empty", text: "ARG i\nFROM $i\n", args: map[string]string{"i": "tools"}, want: "2 InvalidDefaultArgInFrom"},
		{name: "a default", text: "ARG v=latest\nFROM tools:$v\n"},
		{name: "an image of the store", text: "FROM store:tools:1\n"},
		{name: "FromPlatformFlagConstDisallowed", text: "FROM --platform=linux/amd64 scratch\n", want: "1 FromPlatformFlagConstDisallowed"},
		{name: "a stage named after its platform", text: "FROM --platform=linux/amd64 scratch AS build_amd64\n"},
		{name: "CopyIgnoredFile", text: "FROM scratch\nCOPY a b/c /x/\nADD d.tar /\n", ignore: []string{"b", "*.tar"},
			want: "2 CopyIgnoredFile; 3 CopyIgnoredFile"},
		{name: "CopyIgnoredFile of everything", text: "FROM scratch\nCOPY . /\n", ignore: []string{"*"}, want: "2 CopyIgnoredFile"},
		{name: "exceptions", text: "FROM scratch\nCOPY a /\n", ignore: []string{"*", "!a"}},
		{name: "another source", text: "FROM scratch AS s\nFROM scratch\nCOPY --from=s a /\nADD https://example.com/a /\nCOPY . /\n", ignore: []string{"a", "https:"}},
		{name: "InvalidDefinitionDescription", text: "# check=experimental=InvalidDefinitionDescription\n# wrong\nFROM scratch AS a\n# more\nARG b\n",
			want: "3 InvalidDefinitionDescription; 5 InvalidDefinitionDescription"},
		{name: "descriptions", text: "# check=experimental=all\n# a is a stage\nFROM scratch AS a\n# b is an argument\nARG b\n"},
		{name: "experimental rules are off", text: "# wrong\nFROM scratch AS a\n"},
		{name: "ExposeProtoCasing", text: "FROM scratch\nEXPOSE 80/TCP 53/udp\n", want: "2 ExposeProtoCasing"},
		{name: "ExposeInvalidFormat", text: "FROM scratch\nENV p=1:2\nEXPOSE 127.0.0.1:80:80 $p 9\n", want: "3 ExposeInvalidFormat; 3 ExposeInvalidFormat"},

		{name: "skip all", text: "# check=skip=all\nFROM scratch as A\nMAINTAINER me\n"},
		{name: "skip some", text: "# check=skip=FromAsCasing,MaintainerDeprecated\nFROM scratch as A\nMAINTAINER me\n", want: "2 StageNameCasing"},
		{name: "skip for one instruction", want: "5 JSONArgsRecommended; 5 MultipleInstructionsDisallowed",
			text: "FROM scratch\n# check=skip=MaintainerDeprecated // he wants it\nMAINTAINER me\n# more\nCMD a\nCMD [\"a\"]\n"},
		{name: "skip all for one instruction", text: "FROM scratch\n# check=skip=all\nENV PASSWORD 1\n"},
		{name: "skip for a stage", text: "# check=skip=StageNameCasing\n\nFROM scratch AS a\n# check=skip=RedundantTargetPlatform,ReservedStageName\nFROM --platform=$TARGETPLATFORM tools AS context\n"},
		{name: "a build argument chooses", text: "# check=skip=all\nFROM scratch as A\n", args: map[string]string{BuildArg: "skip=FromAsCasing"},
			want: "2 StageNameCasing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Ignore, o.Args = c.ignore, c.args
			report, err := Run(t.Context(), []byte(c.text), o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, summary(report)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func summary(r *Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, fmt.Sprint(f.Line(), " ", f.Rule))
	}
	return strings.Join(all, "; ")
}

func TestWrite(t *testing.T) {
	report, err := Run(t.Context(), []byte("ARG tag\nFROM tools$tga\n\nENV PATH=$PAHT:/x \\\n  a=1\n# end\n"), options())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := `Dockerfile:2: UndefinedArgInFrom: FROM argument 'tga' is not declared (did you mean tag?)
  FROM command must use declared ARGs
  https://docs.docker.com/go/dockerfile/rule/undefined-arg-in-from/
     1 |     ARG tag
     2 | >>> FROM tools$tga
     3 |
     4 |     ENV PATH=$PAHT:/x \

Dockerfile:4: UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)
  Variables should be defined before their use
  https://docs.docker.com/go/dockerfile/rule/undefined-var/
     2 |     FROM tools$tga
     3 |
     4 | >>> ENV PATH=$PAHT:/x \
     5 | >>>   a=1
     6 |     # end

`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text, findings, want string
		args                       map[string]string
	}{
		{name: "what was found before", text: "FROM scratch AS Bad\nMAINTAINER me\nFROB\n", findings: "1 StageNameCasing; 2 MaintainerDeprecated", want: "FROB"},
		{name: "a choice that is none", text: "# check=frob=1\nFROM scratch\n", want: "frob"},
		{name: "a choice that is none, by argument", text: "FROM scratch\n", args: map[string]string{BuildArg: "error=perhaps"}, want: "perhaps"},
		{name: "an empty platform", text: "FROM --platform=$X tools\n", findings: "1 UndefinedArgInFrom", want: "empty"},
		{name: "an empty base", text: "ARG a\nFROM $a\n", findings: "2 InvalidDefaultArgInFrom", want: "empty"},
		{name: "a required variable", text: "FROM scratch\nCOPY ${a:?missing} /\n", want: "missing", findings: "2 UndefinedVar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Args = c.args
			report, err := Run(t.Context(), []byte(c.text), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if diff := cmp.Diff(c.findings, summary(report)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorTrue(t *testing.T) {
	for text, want := range map[string]string{
		"# check=error=true\nFROM scratch as a\n":                   "[FromAsCasing]",
		"# check=error=true;skip=FromAsCasing\nFROM scratch as a\n": "",
		"FROM scratch as a\n":                                       "",
	} {
		report, err := Run(t.Context(), []byte(text), options())
		if err != nil {
			t.Fatal(err)
		}
		got := report.Err()
		if want == "" && got != nil || want != "" && (got == nil || !strings.Contains(got.Error(), want)) {
			t.Errorf("%q: got %v, want %q", text, got, want)
		}
	}
}

func TestStagesThatDoNotCount(t *testing.T) {
	o := options()
	o.Stage = func(i int) bool { return i != 0 }
	report, err := Run(t.Context(), []byte("FROM scratch AS Unused\nCMD a\nFROM scratch\nCMD b\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("1 StageNameCasing; 4 JSONArgsRecommended", summary(report)); diff != "" {
		t.Error(diff)
	}
}

func FuzzRun(f *testing.F) {
	f.Add("# check=skip=all\nFROM scratch as a\nCOPY <<A /b\n$c\nA\nEXPOSE 1-2/TCP\n")
	f.Add("ARG a=${b:-c}\nFROM --platform=$a x\nENV a b\nRUN --mount=type=bind,target=$q x\n")
	f.Fuzz(func(t *testing.T, text string) {
		report, _ := Run(t.Context(), []byte(text), options())
		var out strings.Builder
		if err := report.Write(&out); err != nil {
			t.Fatal(err)
		}
	})
}
