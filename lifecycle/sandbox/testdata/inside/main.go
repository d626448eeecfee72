// Command inside is the program that the tests run in a sandbox: it does one small thing and tells what it sees.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"s2i/lifecycle/sandbox"
)

func main() {
	sandbox.Main()
	args := os.Args[1:]
	if len(args) == 0 {
		return
	}
	if err := do(args[0], args[1:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func do(what string, args []string) error {
	switch what {
	case "exit":
		code, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		os.Exit(code)
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "both":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
	case "env":
		env := os.Environ()
		sort.Strings(env)
		fmt.Println(strings.Join(env, "\n"))
	case "where":
		dir, err := os.Getwd()
		host, _ := os.Hostname()
		fmt.Println(dir, host, os.Getuid(), os.Getgid(), os.Getpid())
		return err
	case "groups":
		groups, err := os.Getgroups()
		fmt.Println(groups)
		return err
	case "write":
		return os.WriteFile(args[0], []byte(args[1]), 0o644)
	case "read":
		b, err := os.ReadFile(args[0])
		fmt.Print(string(b))
		return err
	case "rm":
		return os.RemoveAll(args[0])
	case "redo":
		if err := os.RemoveAll(args[0]); err != nil {
			return err
		}
		return os.Mkdir(args[0], 0o755)
	case "ls":
		entries, err := os.ReadDir(args[0])
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		return err
	case "fds":
		fds, err := filepath.Glob("/proc/self/fd/*")
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil {
				fmt.Println(filepath.Base(fd), target)
			}
		}
		return err
	case "ifaces":
		list, err := net.Interfaces()
		for _, i := range list {
			fmt.Println(i.Name, i.Flags&net.FlagUp != 0)
		}
		return err
	case "dial":
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			fmt.Println("connected")
			c.Close()
		}
		return err
	case "unshare":
		return syscall.Unshare(syscall.CLONE_NEWUSER)
	case "eat":
		return eat(args[0])
	case "fork":
		return fork(args[0])
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "trap":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		<-c
		fmt.Println("got SIGTERM")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "die":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "give":
		id, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(args[0], "file"), nil, 0o600); err != nil {
			return err
		}
		return os.Chown(args[0], id, id)
	case "nested":
		return nested()
	case "parent":
		cmd := exec.Command("/inside", args...)
		cmd.Stdout = os.Stdout
		return cmd.Run()
	default:
		return fmt.Errorf("unknown: %s", what)
	}
	return nil
}

// nested tries to make a sandbox inside the sandbox.
func nested() error {
	s, err := sandbox.NewOCI(sandbox.Options{Runtime: "/inside", TempDir: "/tmp"})
	if err != nil {
		return err
	}
	root := sandbox.Rootfs{Lower: []string{"/"}}
	return s.Run(context.Background(), sandbox.Process{Rootfs: root, Args: []string{"/inside"}})
}

// eat uses as many megabytes as asked.
func eat(megabytes string) error {
	n, err := strconv.Atoi(megabytes)
	if err != nil {
		return err
	}
	var all [][]byte
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	fmt.Println("ate", len(all))
	return nil
}

// fork starts as many processes at once as asked.
func fork(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for range n {
		cmd := exec.Command("/inside", "sleep")
		if err := cmd.Start(); err != nil {
			return err
		}
		defer cmd.Process.Kill()
	}
	fmt.Println("forked", n)
	return nil
}
