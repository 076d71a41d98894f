package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/wwq-fast/wwq-fast"

// imports maps every package of the repository, by its path below the module, to what
// its files import outside of tests, whatever their build tags. Packages of the module
// are named in the same way.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	each(t, func(name string, data []byte) {
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, data, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		dir := path.Dir(name)
		all[dir] = append(all[dir], []string{}...)
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			all[dir] = append(all[dir], strings.TrimPrefix(imported, module+"/"))
		}
	})
	return all
}

// A rule says which packages must not import which others, directly, and why. A
// pattern "a/b" stands for the package a/b and all below it, "a/b/" for those below
// only, "=a/b" for a/b only. Packages may import what lies below themselves.
type rule struct{ packages, imports, reason string }

// rules leaves out what would be an import cycle: the compiler refuses that.
var rules = []rule{
	{"engine", "cmd", "the engine is the library"},
	{"engine", "bench", "the engine is the library"},
	{"engine", "github.com/urfave/cli/v2", "the engine knows no command line"},
	{"engine", "github.com/jedib0t/go-pretty", "the engine knows no terminals"},
	{"engine", "golang.org/x/term", "the engine knows no terminals"},
	{"engine", "log", "errors and warnings are returned, not logged"},
	{"engine", "internal/twostage", "the eigenvalue solver is a backend of lapack"},
	{"engine/checkpoint", "cblas", "reading needs no linear algebra"},
	{"engine/checkpoint", "lapack", "reading needs no linear algebra"},
	{"engine/checkpoint", "engine/spectrum", "reading needs no linear algebra"},
	{"engine/quant", "cblas", "quantizing needs no linear algebra"},
	{"engine/quant", "lapack", "quantizing needs no linear algebra"},
	{"engine/quant", "engine/spectrum", "quantizing needs no linear algebra"},
	{"engine/weights", "cblas", "weights are read here, and multiplied in engine/spectrum"},
	{"engine/weights", "lapack", "weights are read here, and multiplied in engine/spectrum"},
	{"engine/weights", "engine/powerlaw", "weights are there before the fit"},
	{"engine/spectrum", "engine/checkpoint", "a spectrum is of a matrix, wherever it comes from"},
	{"engine/spectrum", "engine/quant", "a spectrum is of a matrix, wherever it comes from"},
	{"engine/spectrum", "engine/powerlaw", "a spectrum is there before the fit"},
	{"engine/powerlaw", "engine", "a fit is of numbers"},
	{"engine/powerlaw", "cblas", "a fit is of numbers"},
	{"engine/powerlaw", "lapack", "a fit is of numbers"},
	{"engine/metric", "cblas", "metrics are of spectra, which engine/spectrum computes"},
	{"engine/metric", "lapack", "metrics are of spectra, which engine/spectrum computes"},
	{"engine/metric", "engine/checkpoint", "metrics are of spectra, wherever those come from"},
	{"engine/results", "cblas", "results are kept, not computed"},
	{"engine/results", "lapack", "results are kept, not computed"},
	{"engine/stats", "cblas", "statistics are over rows"},
	{"engine/stats", "lapack", "statistics are over rows"},
	{"engine/report", "cblas", "reports compute nothing"},
	{"engine/report", "lapack", "reports compute nothing"},
	{"engine/report", "engine/checkpoint/", "reports read results, not files"},
	{"cblas", "engine", "the bindings serve the engine"},
	{"cblas", "lapack", "BLAS lies below LAPACK"},
	{"lapack", "engine", "the bindings serve the engine"},
	{"internal", "engine", "helpers serve the engine"},
	{"internal", "cblas", "kernels need no BLAS; they take what they call as an interface"},
	{"internal", "lapack", "kernels need no LAPACK"},
	{"cmd", "cblas", "commands ask the engine"},
	{"cmd", "lapack", "commands ask the engine"},
	{"cmd", "internal/kernel", "commands ask the engine"},
	{"cmd", "internal/intgram", "commands ask the engine"},
	{"cmd", "internal/modp", "commands ask the engine"},
	{"cmd", "internal/twostage", "commands ask the engine"},
	{"bench", "internal/twostage", "the eigenvalue solver is a backend of lapack"},
}

// matches reports whether a package is one of a pattern.
func matches(pkg, pattern string) bool {
	if exact, ok := strings.CutPrefix(pattern, "="); ok {
		return pkg == exact
	}
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(pkg, pattern)
	}
	return pkg == pattern || strings.HasPrefix(pkg, pattern+"/")
}

// breaches returns what the packages import against a rule.
func breaches(r rule, packages map[string][]string) []string {
	var found []string
	for pkg, imports := range packages {
		if !matches(pkg, r.packages) {
			continue
		}
		for _, i := range imports {
			if matches(i, r.imports) && !matches(i, pkg) {
				found = append(found, fmt.Sprintf("%s imports %s: %s", pkg, i, r.reason))
			}
		}
	}
	return found
}

func TestImports(t *testing.T) {
	packages := imports(t)
	for _, r := range rules {
		for _, breach := range breaches(r, packages) {
			t.Error(breach)
		}
	}
}

// TestRules: every rule can be broken, and is about packages that exist.
func TestRules(t *testing.T) {
	packages := imports(t)
	example := func(pattern string) string {
		p := strings.TrimPrefix(pattern, "=")
		if strings.HasSuffix(p, "/") {
			return p + "example"
		}
		return p
	}
	exists := func(pattern string) bool {
		for pkg, imports := range packages {
			if matches(pkg, pattern) {
				return true
			}
			for _, i := range imports {
				if matches(i, pattern) {
					return true
				}
			}
		}
		return false
	}
	seen := map[rule]bool{}
	for _, r := range rules {
		from, to := example(r.packages), example(r.imports)
		if got := breaches(r, map[string][]string{from: {"fmt", to}}); len(got) != 1 {
			t.Errorf("%v: %s may import %s: %v", r, from, to, got)
		}
		if got := breaches(r, map[string][]string{from: {"fmt", from + "/internal/part"}}); len(got) != 0 && !matches(from, r.imports) {
			t.Errorf("%v: %s may not import what lies below it: %v", r, from, got)
		}
		if !exists(r.packages) {
			t.Errorf("%v: there is no package %s", r, r.packages)
		}
		if standard := !strings.Contains(r.imports, "/"); !exists(r.imports) && !standard {
			t.Errorf("%v: there is no package %s", r, r.imports)
		}
		key := rule{r.packages, r.imports, ""}
		if seen[key] {
			t.Errorf("%v: twice", r)
		}
		seen[key] = true
	}
}

// TestMatches covers the three kinds of patterns.
func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		pkg, pattern string
		want         bool
	}{
		{"engine", "engine", true}, {"engine/quant", "engine", true}, {"engines", "engine", false},
		{"engine", "engine/", false}, {"engine/quant", "engine/", true},
		{"engine", "=engine", true}, {"engine/quant", "=engine", false},
	} {
		if got := matches(tc.pkg, tc.pattern); got != tc.want {
			t.Errorf("matches(%q, %q) = %v", tc.pkg, tc.pattern, got)
		}
	}
}

// cgo lists the packages that may import "C". Each is a leaf with a pure-Go twin.
var cgo = []string{"cblas", "lapack", "internal/kernel", "internal/intgram", "internal/modp", "internal/twostage", "internal/ggml"}

func TestCgo(t *testing.T) {
	packages := imports(t)
	for pkg, imports := range packages {
		if slices.Contains(imports, "C") && !slices.Contains(cgo, pkg) {
			t.Errorf("%s imports C", pkg)
		}
	}
	for _, pkg := range cgo {
		if !slices.Contains(packages[pkg], "C") {
			t.Errorf("%s need not be listed: it does not import C", pkg)
		}
	}
}

// TestTestSuites keeps conformance suites out of what is shipped.
func TestTestSuites(t *testing.T) {
	for pkg, imports := range imports(t) {
		for _, i := range imports {
			if strings.HasPrefix(path.Base(i), "test") && i != "testing" {
				t.Errorf("%s imports %s outside of tests", pkg, i)
			}
		}
	}
}
