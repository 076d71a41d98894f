// Package named finds things by name in a list: the backends of cblas and lapack.
package named

import (
	"fmt"
	"strings"
)

// A Thing has a name, unlike that of any other in its list.
type Thing interface{ Name() string }

// Names returns the names of all things, in their order.
func Names[T Thing](all []T) []string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name()
	}
	return names
}

// Lookup returns the thing called name; the empty name is the first one. The error,
// which begins with the given package name, lists all names.
func Lookup[T Thing](pkg string, all []T, name string) (thing T, err error) {
	for _, t := range all {
		if name == "" || t.Name() == name {
			return t, nil
		}
	}
	return thing, fmt.Errorf("%s: no backend %q in this build; there are %s", pkg, name, strings.Join(Names(all), ", "))
}
