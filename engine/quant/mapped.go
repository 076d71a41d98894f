package quant

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/glob"
)

// mapped is a recipe of rules: the first whose pattern matches the name of a tensor says its
// scheme. Tensors that no rule matches stay as they are stored.
type mapped struct{ rules string } // "pattern=scheme,pattern=scheme", in lower-case names of schemes

// mapPrefix is how the names of such recipes begin.
const mapPrefix = "map:"

// maxRules bounds the rules of one recipe, and maxRuleBytes their text.
const (
	maxRules     = 10000
	maxRuleBytes = 1 << 20
)

// ParseMap returns the recipe of rules "pattern=scheme", with commas or ends of lines between
// them. In a pattern "*" stands for any text and "?" for any one byte; it is compared with
// the name of a tensor, with and without ".weight"; a comma in a name is matched by "?".
// Empty lines, and what is behind a # at the beginning of a line or behind a space, are left out.
func ParseMap(text string) (Recipe, error) {
	if len(text) > maxRuleBytes {
		return nil, fmt.Errorf("rules of %d bytes > limit %d", len(text), maxRuleBytes)
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r", "\n")
	var rules []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		line, _, _ = strings.Cut(line, " #")
		for rule := range strings.SplitSeq(line, ",") {
			if rule = strings.TrimSpace(rule); rule == "" {
				continue
			}
			// A pattern may hold "=", a scheme does not.
			at := strings.LastIndex(rule, "=")
			if at < 1 {
				return nil, fmt.Errorf("rule %s: want pattern=scheme", checkpoint.Quote(rule))
			}
			r, err := Parse(rule[at+1:])
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", checkpoint.Quote(rule), err)
			}
			if s, ok := r.(single); !ok || strings.ContainsAny(s.Name(), ",=") {
				return nil, fmt.Errorf("rule %s: %s is no scheme for one tensor", checkpoint.Quote(rule), checkpoint.Quote(r.Name()))
			}
			rules = append(rules, strings.TrimSpace(rule[:at])+"="+r.Name())
		}
	}
	if len(rules) == 0 || len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules, want 1 to %d", len(rules), maxRules)
	}
	return mapped{strings.Join(rules, ",")}, nil
}

func (m mapped) Name() string { return mapPrefix + m.rules }

// fileName is short, whatever the rules are.
func (m mapped) fileName() string {
	sum := sha256.Sum256([]byte(m.rules))
	return "map-" + hex.EncodeToString(sum[:4])
}

// each calls f for the rules in their order, until it returns false.
func (m mapped) each(f func(pattern string, r Recipe) bool) {
	for rule := range strings.SplitSeq(m.rules, ",") {
		at := strings.LastIndex(rule, "=")
		r, err := Parse(rule[at+1:])
		if err != nil || !f(rule[:at], r) { // they were parsed before
			return
		}
	}
}

func (m mapped) For(t Target) Scheme { return m.bind(nil, Model{}).For(t) }

// bind reads the rules once for all tensors of a checkpoint.
func (m mapped) bind([]Target, Model) Recipe {
	b := &boundMap{mapped: m}
	m.each(func(pattern string, r Recipe) bool {
		b.patterns, b.recipes = append(b.patterns, pattern), append(b.recipes, r)
		return true
	})
	return b
}

// boundMap is a recipe of rules that have been read.
type boundMap struct {
	mapped
	patterns []string
	recipes  []Recipe
}

func (b *boundMap) For(t Target) Scheme {
	for i, pattern := range b.patterns {
		if matches(pattern, t.Name) {
			return b.recipes[i].For(t)
		}
	}
	return Stored.For(t)
}

// matches reports whether a pattern matches the name of a tensor.
func matches(pattern, name string) bool {
	return glob.Match(pattern, name) || glob.Match(pattern, strings.TrimSuffix(name, ".weight"))
}

// Unmatched returns the patterns of a recipe of rules that match none of the names of
// tensors; none for other recipes.
func Unmatched(r Recipe, names []string) []string {
	m, ok := r.(mapped)
	if !ok {
		return nil
	}
	var none []string
	m.each(func(pattern string, _ Recipe) bool {
		for _, name := range names {
			if matches(pattern, name) {
				return true
			}
		}
		none = append(none, pattern)
		return true
	})
	return none
}

// BitsPerWeight is the mean of those of the rules: what the recipe takes of a checkpoint, its
// tensors say.
func (m mapped) BitsPerWeight() float64 {
	sum, n := 0.0, 0
	m.each(func(_ string, r Recipe) bool {
		sum += r.BitsPerWeight()
		n++
		return true
	})
	return sum / float64(max(n, 1))
}

func (mapped) Reference() bool { return false }
