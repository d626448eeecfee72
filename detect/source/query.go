package source

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hashPrefix is the beginning of a commit's hash, long enough not to be a guess.
var hashPrefix = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// withQuery takes in the form of a git reference with "?" that Docker has: ref, tag, branch, subdir, checksum (or
// commit), submodules and keep-git-dir. Other queries belong to the server.
func (r Ref) withQuery(u *url.URL) (Ref, error) {
	rest := url.Values{}
	known := 0
	for key, values := range u.Query() {
		if len(values) > 1 {
			return r, fmt.Errorf("%q is there twice", key)
		}
		is, err := r.query(key, values[0])
		if err != nil {
			return r, err
		}
		if is {
			known++
		} else {
			rest[key] = values
		}
	}
	if known == 0 {
		return r, nil
	}
	for key := range rest {
		return r, fmt.Errorf("%q is none of ref, tag, branch, subdir, checksum, submodules, keep-git-dir, mtime", key)
	}
	without := *u
	without.RawQuery = ""
	r.Location = without.String()
	return r, nil
}

// query takes one part of it in.
func (r *Ref) query(key, value string) (known bool, err error) {
	switch key {
	case "ref", "tag", "branch":
		return true, r.queryRevision(map[string]string{"tag": "refs/tags/", "branch": "refs/heads/"}[key], value)
	case "subdir":
		with, err := Ref{Kind: Git}.withFragment(":" + value)
		if err == nil && r.Subdir != "" && r.Subdir != with.Subdir {
			err = fmt.Errorf("it names two directories, %q and %q", r.Subdir, with.Subdir)
		}
		r.Subdir = with.Subdir
		return true, err
	case "checksum", "commit":
		if !hashPrefix.MatchString(value) {
			return true, fmt.Errorf("%s=%s is no commit", key, value)
		}
		r.Commit = value
		return true, nil
	case "submodules":
		on, err := flagValue(key, value)
		r.NoSubmodules = !on
		return true, err
	case "keep-git-dir":
		r.KeepGit, err = flagValue(key, value)
		return true, err
	case "mtime", "fetch-by-commit": // times are rewritten anyway; a commit is always fetched by its hash
		return true, nil
	}
	return false, nil
}

func (r *Ref) queryRevision(prefix, value string) error {
	if value == "" {
		return fmt.Errorf("the revision is empty")
	}
	if !strings.HasPrefix(value, prefix) {
		value = prefix + value
	}
	if r.Revision != "" && r.Revision != value {
		return fmt.Errorf("it names two revisions, %q and %q", r.Revision, value)
	}
	with, err := Ref{Kind: Git}.withFragment(value)
	r.Revision = with.Revision
	return err
}

// flagValue reads a flag of a query; without a value it is on.
func flagValue(key, value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s=%s is neither true nor false", key, value)
	}
	return on, nil
}
