// Package lint holds the rules of the house as tests.
package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// each calls f for every file of the repository that git would track.
func each(t *testing.T, f func(path string, data []byte)) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-co", "--exclude-standard")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for _, name := range strings.Fields(string(out)) {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			continue // deleted, not committed yet
		}
		f(name, data)
	}
}

// TestBLASFlags keeps include directories of a BLAS out of the build: their
// headers shadow those that netlib brings, and it no longer compiles.
func TestBLASFlags(t *testing.T) {
	bad := regexp.MustCompile(`#cgo.*CFLAGS:.*-I|CGO_C(PP)?FLAGS=.*blas|pkg-config: *openblas`)
	each(t, func(path string, data []byte) {
		if ext := filepath.Ext(path); ext != ".go" && filepath.Base(path) != "Makefile" && ext != ".sh" {
			return
		}
		if m := bad.Find(data); m != nil && !strings.HasPrefix(path, "internal/lint/") {
			t.Errorf("%s: %s", path, m)
		}
	})
}

// TestLongFiles keeps source files to what one person can hold in mind.
func TestLongFiles(t *testing.T) {
	const limit = 500
	each(t, func(path string, data []byte) {
		if !slices.Contains([]string{".go", ".c", ".h", ".sh"}, filepath.Ext(path)) {
			return
		}
		if n := strings.Count(string(data), "\n"); n > limit {
			t.Errorf("%s has %d lines, more than %d", path, n, limit)
		}
	})
}

// A function in a source file, with its length in lines.
type function struct {
	name  string
	lines int
}

// TestLongFunctions keeps functions outside of tests to a page or two.
func TestLongFunctions(t *testing.T) {
	const limit = 80
	counted := map[string]int{}
	each(t, func(path string, data []byte) {
		var all []function
		switch ext := filepath.Ext(path); {
		case ext == ".go" && !strings.HasSuffix(path, "_test.go"):
			all = goFunctions(t, path, data)
		case ext == ".c" || ext == ".h":
			all = cFunctions(string(data))
		}
		counted[filepath.Ext(path)] += len(all)
		for _, f := range all {
			if f.lines > limit {
				t.Errorf("%s: %s has %d lines, more than %d", path, f.name, f.lines, limit)
			}
		}
	})
	if counted[".go"] < 500 || counted[".c"] < 50 || counted[".h"] < 50 {
		t.Errorf("functions are overlooked: only %v", counted)
	}
}

func goFunctions(t *testing.T, path string, data []byte) (all []function) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, data, 0)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return nil
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			all = append(all, function{f.Name.Name, files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1})
		}
	}
	return all
}

// cFunctions finds the functions of a C file as clang-format leaves it: the first line
// begins in column 0, and so does the closing brace, which has a line to itself.
func cFunctions(source string) (all []function) {
	start := regexp.MustCompile(`^[A-Za-z_].*\(`)
	name, first, body := "", 0, false
	for i, line := range strings.Split(source, "\n") {
		if name == "" && start.MatchString(line) {
			name, first, body = line, i, false
		}
		if name == "" {
			continue
		}
		body = body || strings.HasSuffix(line, "{")
		switch {
		case line == "}" || !body && strings.HasSuffix(line, "}"):
			all = append(all, function{name, i - first + 1})
			name = ""
		case !body && strings.HasSuffix(line, ";"), line == "};": // a declaration, a table
			name = ""
		}
	}
	return all
}

// TestFunctionLength: the lengths that the two counters find.
func TestFunctionLength(t *testing.T) {
	c := "static int f(int a,\n             int b) {\n    return a;\n\n}\n\nint g(void);\nvoid h(int a,\n       int b);\nint k(void) { return 1; }\n\nvoid FN(m)(void) {\n}\n"
	got := cFunctions(c)
	want := []function{{"static int f(int a,", 5}, {"int k(void) { return 1; }", 1}, {"void FN(m)(void) {", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("C: got %v, want %v", got, want)
	}
	if got := goFunctions(t, "x.go", []byte("package x\n\n// f is.\nfunc f() {\n}\n")); !slices.Equal(got, []function{{"f", 2}}) {
		t.Errorf("Go: got %v", got)
	}
}

// TestUnfinished finds marks of unfinished work.
func TestUnfinished(t *testing.T) {
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	each(t, func(path string, data []byte) {
		if filepath.Ext(path) == ".go" || filepath.Ext(path) == ".c" || filepath.Ext(path) == ".h" {
			if m := mark.Find(data); m != nil {
				t.Errorf("%s: %s", path, m)
			}
		}
	})
}
