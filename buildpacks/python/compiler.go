package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"s2i/buildpacks/kit"
)

// compiler makes byte code, as many files at once as there are processors, however many ask for it.
type compiler struct {
	program string
	env     kit.Env
	limit   chan struct{}
}

// pycFlags say how byte code is checked against its sources at run time (PEP 552): by their digest, or, where they are sure
// to be those that it was made from, not at all.
type pycFlags int

const (
	unchecked pycFlags = 1
	checked   pycFlags = 3
)

// newCompiler gives a compiler that runs a Python in an environment.
func newCompiler(program string, env kit.Env) compiler {
	env = env.With(kit.Env{"PYTHONDONTWRITEBYTECODE": "1"}) // of what the program itself imports
	delete(env, "SOURCE_DATE_EPOCH")
	return compiler{program: program, env: env, limit: make(chan struct{}, max(1, runtime.NumCPU()))}
}

// shards is in how many parts files are compiled, at most, and fewFiles how many are not worth a process of their own. What
// one process writes can depend on what it compiled before, so the parts must not depend on the machine.
const (
	shards   = 4
	fewFiles = 16
)

// compile compiles files into the prefix. Files that do not compile are left out: templates and examples of other
// versions of Python are among the packages' files.
func (c compiler) compile(ctx context.Context, files []string, prefix string, flags pycFlags) error {
	errs := make([]error, shards)
	var wg sync.WaitGroup
	n := min(shards, (len(files)+fewFiles-1)/fewFiles)
	for i := range n {
		var part []string
		for j := i; j < len(files); j += n {
			part = append(part, files[j])
		}
		wg.Go(func() {
			c.limit <- struct{}{}
			defer func() { <-c.limit }()
			errs[i] = c.shard(ctx, part, prefix, flags)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// shard compiles files one after the other.
func (c compiler) shard(ctx context.Context, files []string, prefix string, flags pycFlags) error {
	list, err := os.CreateTemp("", "s2i-compile-")
	if err != nil {
		return fmt.Errorf("writing the list of files to compile: %w", err)
	}
	defer os.Remove(list.Name())
	if _, err := list.WriteString(strings.Join(files, "\n") + "\n"); err != nil {
		return errors.Join(fmt.Errorf("writing the list of files to compile: %w", err), list.Close())
	}
	if err := list.Close(); err != nil {
		return fmt.Errorf("writing the list of files to compile: %w", err)
	}
	return kit.Command{
		Args: []string{c.program, "-S", "-P", "-c", compileProgram, list.Name(), strconv.Itoa(int(flags))},
		Dir:  "/", Env: c.env.With(kit.Env{"PYTHONPYCACHEPREFIX": prefix}), Why: "byte code makes the app start faster",
	}.Run(ctx)
}

// compileProgram does what the module compileall does with a list of files (PEP 552). The standard library has no byte code
// of its own here, so that all that compileall imports would take longer than half of the files.
const compileProgram = `
import sys, os, marshal
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
flags = int(sys.argv[2]).to_bytes(4, "little")
with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as files:
    names = files.read().split("\n")[:-1]
for name in names:
    with open(name, "rb") as f:
        source = f.read()
    try:
        code = marshal.dumps(compile(source, name, "exec", dont_inherit=True))
    except Exception:
        continue
    target = cache_from_source(name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as f:
        f.write(MAGIC_NUMBER + flags + source_hash(source) + code)
`
