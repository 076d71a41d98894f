package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Table is what the comparison of levels needs of the analysis at one level. It
// comes from a result, or from a CSV file that was written from one.
type Table struct {
	Model   string
	Level   quant.Level
	Records []Record
}

// A Record is one layer of a [Table]. Numbers that do not exist are NaN.
type Record struct {
	ID                                             int
	LongName                                       string
	Alpha, AlphaWeighted, LogNorm, LogSpectralNorm float64
	Status, Warning                                string
}

// FromResult returns the tables of a result, leaving out rows that were not
// reached. compat puts -1 for what a failed fit does not have.
func FromResult(res *engine.Result, model string, compat bool) []Table {
	tables := make([]Table, len(res.Levels))
	for k, level := range res.Levels {
		t := Table{Model: model, Level: level}
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			if r.Status == engine.FitMissing {
				continue
			}
			c := cells(r, compat)
			t.Records = append(t.Records, Record{
				ID: r.Layer.ID, LongName: r.Layer.LongName,
				Alpha: c.alpha, AlphaWeighted: c.alphaWeighted,
				LogNorm: r.LogNorm, LogSpectralNorm: r.LogSpectralNorm,
				Status: c.status, Warning: c.warning,
			})
		}
		tables[k] = t
	}
	return tables
}

// ReadCSV reads a table that [WriteCSV] or WeightWatcher's study wrote. Empty
// cells are NaN.
func ReadCSV(r io.Reader) (Table, error) {
	var t Table
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return t, err
	}
	if len(records) == 0 {
		return t, errors.New("empty file")
	}
	at := map[string]int{}
	for i, name := range records[0] {
		at[name] = i
	}
	for _, name := range []string{"layer_id", "longname", "alpha", "alpha_weighted", "log_norm", "log_spectral_norm", "status", "warning"} {
		if _, ok := at[name]; !ok {
			return t, fmt.Errorf("no column %q", name)
		}
	}
	for i, rec := range records[1:] {
		get := func(name string) float64 {
			s := rec[at[name]]
			if s == "" {
				return math.NaN()
			}
			v, e := strconv.ParseFloat(s, 64)
			if e != nil && err == nil {
				err = fmt.Errorf("row %d, column %s: %q is not a number", i+1, name, s)
			}
			return v
		}
		row := Record{
			ID: int(get("layer_id")), LongName: plain(rec[at["longname"]]),
			Alpha: get("alpha"), AlphaWeighted: get("alpha_weighted"),
			LogNorm: get("log_norm"), LogSpectralNorm: get("log_spectral_norm"),
			Status: rec[at["status"]], Warning: rec[at["warning"]],
		}
		if err != nil {
			return t, err
		}
		if j, ok := at["quantization"]; ok && i == 0 {
			if t.Level, err = quant.ParseLevel(rec[j]); err != nil {
				return t, err
			}
		}
		if j, ok := at["model_name"]; ok {
			t.Model = plain(rec[j])
		}
		t.Records = append(t.Records, row)
	}
	return t, nil
}

// SortTables puts fp16 first, then goes from more bits to fewer.
func SortTables(tables []Table) {
	slices.SortFunc(tables, func(a, b Table) int {
		if a.Level.Less(b.Level) {
			return -1
		}
		return 1
	})
}
