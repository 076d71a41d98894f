package named

import (
	"slices"
	"testing"
)

type thing string

func (t thing) Name() string { return string(t) }

func TestLookup(t *testing.T) {
	all := []thing{"one", "two"}
	if got := Names(all); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("names: %v", got)
	}
	for name, want := range map[string]thing{"": "one", "one": "one", "two": "two"} {
		if got, err := Lookup("numbers", all, name); got != want || err != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	_, err := Lookup("numbers", all, "three")
	if want := `numbers: no backend "three" in this build; there are one, two`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
