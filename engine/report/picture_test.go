package report

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// synthetic returns a result of a model with that many layers.
func synthetic(layers int, levels string, alpha func(level, layer int) float64) *data {
	recipes, err := quant.ParseList(levels)
	if err != nil {
		panic(err)
	}
	res := &engine.Result{Levels: recipes}
	for k, level := range recipes {
		rows := make([]engine.Row, layers)
		for i := range rows {
			l := &engine.Layer{Quantized: true, ID: i, Rows: 2, Cols: 2, Slices: 1, LongName: fmt.Sprintf("model.layers.%d.%s", i/7, []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}[i%7])}
			rows[i] = engine.Row{Layer: l, Level: level, Status: engine.RowSuccess, Values: metric.None()}
			a := alpha(k, i)
			rows[i].Set("alpha", a)
			rows[i].Set("log_norm", 2+a/4)
			rows[i].Set("log_spectral_norm", a/3)
		}
		res.Rows = append(res.Rows, rows)
	}
	return &data{res: res, summaries: stats.Compare(res), opts: Options{Model: "org/synthetic-model", Plots: true}}
}

// plain are exponents as those of trained models.
func plain(seed uint64) func(level, layer int) float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(level, _ int) float64 { return 2.5 + 0.3*float64(level) + 0.6*math.Abs(rng.NormFloat64()) }
}

// models are results with what makes pictures hard.
var models = map[string]func() *data{
	"many": func() *data { return synthetic(12000, engine.DefaultLevels, plain(1)) },
	"two":  func() *data { return synthetic(2, engine.DefaultLevels, plain(2)) },
	"outlier": func() *data {
		p := plain(3)
		return synthetic(160, engine.DefaultLevels, func(level, layer int) float64 {
			if level == 6 {
				return 40 + 900*p(0, 0)
			}
			return p(level, layer)
		})
	},
	"nothing quantized": func() *data {
		d := synthetic(3, engine.DefaultLevels, plain(5))
		for k := range d.res.Rows {
			for i := range d.res.Rows[k] {
				l := *d.res.Rows[k][i].Layer
				l.Quantized = false
				d.res.Rows[k][i].Layer = &l
			}
		}
		d.summaries = stats.Compare(d.res)
		return d
	},
	"odd": func() *data {
		p := plain(4)
		return synthetic(40, "fp16,16bit,8bit,8bit-asym,7bit,6bit,5bit,4bit,4bit-asym,3bit,2bit", func(level, layer int) float64 {
			switch layer {
			case 3, 4:
				return math.NaN()
			case 17:
				return math.Inf(1)
			}
			return p(level, layer)
		})
	},
}

// TestModels draws all pictures of all models. With WWQ_PICTURES they are written to that
// folder, to be looked at.
func TestModels(t *testing.T) {
	for name, model := range models {
		started := time.Now()
		d := model()
		made := time.Since(started)
		started = time.Now()
		files, err := pictures(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: made in %v, drawn in %v", name, made, time.Since(started))
		for _, f := range files {
			w := io.Discard
			if dir := os.Getenv("WWQ_PICTURES"); dir != "" {
				path := filepath.Join(dir, name, f.name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				out, err := os.Create(path)
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				w = out
			}
			if err := f.write(w); err != nil {
				t.Fatal(err)
			}
		}
	}
}
