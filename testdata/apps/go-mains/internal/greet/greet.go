// Package greet says hello.
package greet

// Hello greets on behalf of who.
func Hello(who string) string { return "hello from " + who }
