package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// replace asks for what takes the place of each tensor of the shard.
func (p *shardPlan) replace(by func(*checkpoint.Tensor) *checkpoint.Tensor) {
	s := p.shard
	all := make([]*checkpoint.Tensor, len(s.tensors))
	changed := false
	for i := range s.tensors {
		t := &s.tensors[i]
		if all[i] = t; !s.isLeft(i) {
			all[i] = by(t)
		}
		changed = changed || all[i] != t
	}
	if changed {
		p.replaced = all
	}
}

// replacement returns what is written in the place of tensor i of the shard, nil if it is left
// out.
func (p *shardPlan) replacement(i int) *checkpoint.Tensor {
	if p.replaced == nil {
		return &p.shard.tensors[i]
	}
	return p.replaced[i]
}

// rebuild is edit for a shard of which tensors are replaced: the header is written anew, with the
// tensors in the order of their data.
func rebuild(file string, _ []byte, h *header, p *shardPlan) ([]byte, error) {
	_, metadata, err := h.mergedMetadata(p.metadata)
	if err != nil {
		return nil, err
	}
	members := []string{metadata}
	if h.metadata != nil {
		members[0] = fmt.Sprintf("%q:%s", metadataName, metadata)
	}
	members[0] = strings.TrimSuffix(members[0], ",")
	var end int64
	for _, i := range h.data {
		t := p.replacement(i)
		if t == nil {
			continue
		}
		begin := end
		end += p.sizes[i]
		kind := p.dtypes[i].String()
		if p.dtypes[i] == checkpoint.InvalidDType {
			kind = h.entries[i].typeName
		}
		m, err := member(t.Name, kind, t.Shape, begin, end)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return finished(file, []byte("{"+strings.Join(members, ",")+"}"), end)
}

// member returns what a header says of a tensor of the type kind.
func member(name, kind string, shape []int, begin, end int64) (string, error) {
	quoted, err := plainJSON(name)
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	return fmt.Sprintf(`%s:{"dtype":%q,"shape":[%s],"data_offsets":[%d,%d]}`, quoted, kind, strings.Join(dims, ","), begin, end), err
}

// plainJSON returns a value in JSON, on one line and with all characters as they are.
func plainJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// rebuilt returns the text of the index for shards of which tensors are replaced: without those
// that are left out, with new names for others, and with metadata.total_size set to total if there
// is such a number.
func (x *index) rebuilt(plans []*shardPlan, total int64) ([]byte, error) {
	var root map[string]any
	d := json.NewDecoder(bytes.NewReader(x.text))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, checkpoint.Corruptf("index %w", err)
	}
	places := map[string]string{}
	for name, shard := range x.shardOf {
		places[name] = shard
	}
	for _, p := range plans {
		for i := range p.shard.tensors {
			t, r := &p.shard.tensors[i], p.replacement(i)
			if r == t || p.shard.isLeft(i) {
				continue
			}
			delete(places, t.Name)
			if r != nil {
				places[r.Name] = p.shard.name
			}
		}
	}
	root["weight_map"] = places
	if metadata, ok := root["metadata"].(map[string]any); ok && metadata["total_size"] != nil {
		metadata["total_size"] = total
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(root)
	return b.Bytes(), err
}
