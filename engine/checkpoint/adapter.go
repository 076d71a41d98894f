package checkpoint

import (
	"regexp"
	"strings"
)

// adapterKinds tells the tensors of adapters by their names. The part before the match
// is the name of the module that is adapted.
var adapterKinds = []struct {
	kind string
	name *regexp.Regexp
}{
	{"LoRA", regexp.MustCompile(`[._]lora_(?:A|B|E|embedding_A|embedding_B|magnitude_vector|up|down|mid)(?:\.|$)|[._]lora(?:_linear_layer)?\.(?:up|down|mid)\.|\.lora_[ab]$`)},
	{"LoHa", regexp.MustCompile(`\.hada_(?:w[12]_[ab]|t[12])$`)},
	{"LoKr", regexp.MustCompile(`\.lokr_(?:w[12](?:_[ab])?|t2)$`)},
	{"OFT", regexp.MustCompile(`\.(?:oft_(?:blocks|diag|r|s|R)|boft_(?:R|s))(?:\.|$)`)},
	{"IA3", regexp.MustCompile(`\.ia3_l(?:\.|$)|\.on_input$`)},
	{"VeRA", regexp.MustCompile(`[._]vera_(?:lambda_[bd]|A|B)(?:\.|$)`)},
	{"prompt tuning", regexp.MustCompile(`^prompt_embeddings$|^prompt_encoder\.`)},
}

// AdapterKind returns the kind of adapter, such as "LoRA", whose tensors these are, or ""
// if they are those of a model. They are an adapter's if three quarters of the matrices at
// least have an adapter's names and the matrices that these change are not there too.
func AdapterKind(tensors []Tensor) string {
	names := make(map[string]bool, len(tensors))
	for i := range tensors {
		names[tensors[i].Name] = true
	}
	counts := make([]int, len(adapterKinds))
	matrices, marked, based := 0, 0, 0
	for i := range tensors {
		t := &tensors[i]
		if len(t.Shape) < 2 && !strings.Contains(t.Name, "ia3_l") && !strings.Contains(t.Name, "vera_lambda") {
			continue
		}
		matrices++
		for k := range adapterKinds {
			at := adapterKinds[k].name.FindStringIndex(t.Name)
			if at == nil {
				continue
			}
			counts[k]++
			marked++
			if stem := t.Name[:at[0]]; names[stem+".weight"] || names[stem+".base_layer.weight"] {
				based++
			}
			break
		}
	}
	if marked == 0 || 4*marked < 3*matrices || 2*based >= marked {
		return ""
	}
	best := 0
	for k := range counts {
		if counts[k] > counts[best] {
			best = k
		}
	}
	return adapterKinds[best].kind
}

// Adapterf returns the error for an adapter: of what kind it is, "LoRA" or empty, and the
// name of its base model, if it is known.
func Adapterf(kind, base string) error {
	if kind != "" {
		kind = " (" + kind + ")"
	}
	into := "its base model"
	if base != "" {
		into += ", " + Printable(base) + ","
	}
	return Unsupportedf("holds an adapter%s, not a model: its matrices are changes to those of another; merge it into %s first (merge_and_unload in PEFT) and name the merged model", kind, into)
}
