package engine

import (
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// bind returns the levels as they are for a checkpoint: recipes that say a scheme for each of
// its tensors, whichever of them are planned. Rows and results are named by the levels
// themselves.
func bind(src checkpoint.Source, levels []quant.Recipe) []quant.Recipe {
	var all []quant.Target
	for _, t := range src.Tensors() {
		if len(t.Shape) == 0 || t.Elements() == 0 {
			continue
		}
		cols := t.Shape[len(t.Shape)-1]
		all = append(all, quant.Target{Name: t.Name, Rows: int(t.Elements()) / cols, Cols: cols, DType: t.DType})
	}
	m := checkpoint.ReadConfig(src.Path()).Model
	bound := make([]quant.Recipe, len(levels))
	for i, level := range levels {
		bound[i] = quant.Bind(level, all, quant.Model{Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, Experts: m.Experts, Arch: m.Type})
	}
	return bound
}
