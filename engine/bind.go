package engine

import (
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// modelOf returns what recipes may know of the model that a checkpoint holds: what its files
// say, or else config.json.
func modelOf(src checkpoint.Source, c *checkpoint.Config) quant.Model {
	m := c.Model
	if s, ok := src.(checkpoint.Modelled); ok {
		m = s.Model()
	}
	return quant.Model{Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, Experts: m.Experts, Arch: m.Type}
}

// bind returns the levels as they are for a checkpoint with these tensors: recipes that say a
// scheme for each of them, whichever are planned. Rows and results are named by the levels
// themselves.
func bind(levels []quant.Recipe, tensors []checkpoint.Tensor, m quant.Model) []quant.Recipe {
	var all []quant.Target
	for i := range tensors {
		t := &tensors[i]
		if len(t.Shape) == 0 || t.Elements() == 0 {
			continue
		}
		cols := t.Shape[len(t.Shape)-1]
		all = append(all, quant.Target{Name: t.Name, Rows: int(t.Elements()) / cols, Cols: cols, DType: numberType(t)})
	}
	bound := make([]quant.Recipe, len(levels))
	for i, level := range levels {
		bound[i] = quant.Bind(level, all, m)
	}
	return bound
}

// bind returns the levels as they are for the checkpoint of the plan, of which all tensors
// must be in it: not those of a part that [Plan.Split] made.
func (p *Plan) bind(levels []quant.Recipe) []quant.Recipe {
	tensors := make([]checkpoint.Tensor, len(p.Tensors))
	for i := range p.Tensors {
		tensors[i] = p.Tensors[i].Tensor
	}
	return bind(levels, tensors, p.Model)
}
