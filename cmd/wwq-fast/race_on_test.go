//go:build race

package main

// raced says that the race detector runs, which reserves more of the address space than limits allow.
const raced = true
