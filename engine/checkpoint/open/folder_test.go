package open

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

const (
	commitA = "0123456789abcdef0123456789abcdef01234567"
	commitB = "fedcba9876543210fedcba9876543210fedcba98"
)

// TestParts opens folders whose subfolders hold the weights.
func TestParts(t *testing.T) {
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	m := string(model())
	pipeline := map[string]string{
		"model_index.json": "{}", "unet/diffusion_pytorch_model.safetensors": m, "vae/diffusion_pytorch_model.safetensors": m,
		"text_encoder/model.safetensors": m, "scheduler/scheduler_config.json": "{}", ".cache/x/model.safetensors": m,
	}
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string // with the name of the folder in the place of %
		class error
	}{
		{"pipeline", pipeline, "is a pipeline of several models: text_encoder, unet, vae: name one of them, such as %/text_encoder", checkpoint.ErrUnsupported},
		{"checkpoints of a training", map[string]string{"checkpoint-100/model.safetensors": m, "checkpoint-200/model.safetensors.index.json": "{}"}, "these subfolders can be opened: checkpoint-100, checkpoint-200: name one of them, such as %/checkpoint-100", checkpoint.ErrUnsupported},
		{"two levels", map[string]string{"out/final/model.safetensors": m, "a/b/c/model.safetensors": m}, "these subfolders can be opened: out/final: name", checkpoint.ErrUnsupported},
		{"beside PyTorch", map[string]string{"pytorch_model.bin": "PK\x03\x04", "safe/model.safetensors": m}, "pytorch_model.bin is a zip file (PyTorch, Keras, NumPy or NeMo), which cannot be read: if it is a PyTorch checkpoint, load it in PyTorch, in an isolated place since such files can run code, and save it with safetensors; these subfolders can be opened: safe", checkpoint.ErrUnsupported},
		{"a folder with the name of weights", map[string]string{"model.safetensors/model.safetensors": m}, "these subfolders can be opened: model.safetensors", checkpoint.ErrUnsupported},
		{"only variants at the top", map[string]string{"model.fp16.safetensors": m, "model.bf16.safetensors": m, "unet/model.safetensors": m}, "holds 2 variants of a model, among them model.bf16.safetensors and model.fp16.safetensors: name the file or the index to open; these subfolders can be opened: unet", checkpoint.ErrUnsupported},
		{"copies at the top", map[string]string{"model_index.json": "{}", "v1-pruned.safetensors": m, "v1-pruned-ema.safetensors": m, "unet/model.safetensors": m}, "is a pipeline of several models: unet: name one of them, such as %/unet", checkpoint.ErrUnsupported},
		{"PyTorch in subfolders", map[string]string{"model_index.json": "{}", "unet/diffusion_pytorch_model.bin": "PK\x03\x04", "vae/diffusion_pytorch_model.bin": "PK\x03\x04"}, "no checkpoint in the folder, want *.safetensors; its subfolders unet, vae hold weights of other formats; unet holds no safetensors file; diffusion_pytorch_model.bin is a zip file", checkpoint.ErrUnsupported},
		{"nothing", map[string]string{"unet/config.json": "{}", "x/.y/model.safetensors": m}, "no checkpoint in the folder, want *.safetensors", checkpoint.ErrNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tc.files)
			src, _, err := Open(dir, Options{})
			checkError(t, src, err, tc.class, strings.ReplaceAll(tc.want, "%", dir))

			repo := filepath.Join(cache, "models--org--name")
			if err := os.RemoveAll(repo); err != nil {
				t.Fatal(err)
			}
			write(t, repo, map[string]string{"refs/main": commitA})
			write(t, filepath.Join(repo, "snapshots", commitA), tc.files)
			src, _, err = Open("org/name", Options{})
			checkError(t, src, err, tc.class, strings.ReplaceAll(tc.want, "%", "org/name"))
			src, _, err = Open("org/name@"+commitA[:7], Options{})
			checkError(t, src, err, tc.class, strings.ReplaceAll(tc.want, "%", "org/name@"+commitA[:7]))
		})
	}
	repo := filepath.Join(cache, "models--org--pipe", "snapshots", commitA)
	write(t, repo, pipeline)
	for _, arg := range []string{"org/pipe/unet", "hf://org/pipe/vae/", "https://huggingface.co/org/pipe/tree/" + commitA + "/text_encoder", "org/pipe@0123/unet/diffusion_pytorch_model.safetensors"} {
		src, _, err := Open(arg, Options{})
		if err != nil {
			t.Errorf("%s: %v", arg, err)
			continue
		}
		src.Close()
	}
	src, _, err := Open("org/pipe/transformer", Options{})
	checkError(t, src, err, checkpoint.ErrNotFound, "org/pipe/transformer: no such file or folder")
	var h *checkpoint.HintError
	if !errors.As(err, &h) || h.Hint != "hf download org/pipe fetches it" {
		t.Errorf("error %v has no hint", err)
	}
}

// TestAdapters opens adapters on every way.
func TestAdapters(t *testing.T) {
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	tensor := func(name string) testsource.Tensor {
		return testsource.Tensor{Name: name, DType: checkpoint.U8, Shape: []int{1, 2}, Data: []byte{1, 2}}
	}
	adapter := func(names ...string) string {
		var all []testsource.Tensor
		for _, name := range names {
			all = append(all, tensor(name))
		}
		return string(testsource.Safetensors(all, nil))
	}
	peft := adapter("base_model.model.q_proj.lora_A.weight", "base_model.model.q_proj.lora_B.weight")
	kohya := adapter("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight")
	const config = "\ufeff" + `{"base_model_name_or_path": "meta-llama/Llama-2-7b-hf", "peft_type": "LORA"}`
	for _, tc := range []struct {
		name  string
		files map[string]string
		file  string // "" for the folder
		want  string // "" if it opens
	}{
		{"PEFT folder", map[string]string{"adapter_config.json": config, "adapter_model.safetensors": peft}, "", "holds an adapter (LoRA), not a model: its matrices are changes to those of another; merge it into its base model, meta-llama/Llama-2-7b-hf, first (merge_and_unload in PEFT)"},
		{"PEFT file", map[string]string{"adapter_config.json": config, "adapter_model.safetensors": peft}, "adapter_model.safetensors", "holds an adapter (LoRA)"},
		{"PEFT without a configuration", map[string]string{"x.safetensors": peft}, "", "merge it into its base model first"},
		{"PEFT in PyTorch's format", map[string]string{"adapter_config.json": config, "adapter_model.bin": "PK\x03\x04"}, "", "holds an adapter, not a model: its matrices are changes to those of another; merge it into its base model, meta-llama/Llama-2-7b-hf, first"},
		{"a configuration that is none", map[string]string{"adapter_config.json": "[", "adapter_model.safetensors": peft}, "", "merge it into its base model first"},
		{"kohya", map[string]string{"my_style.safetensors": kohya}, "my_style.safetensors", "holds an adapter (LoRA)"},
		{"kohya as a model", map[string]string{"model.safetensors": kohya}, "", "holds an adapter (LoRA)"},
		{"LoHa", map[string]string{"x.safetensors": adapter("l.hada_w1_a", "l.hada_w1_b", "l.hada_w2_a", "l.hada_w2_b")}, "", "holds an adapter (LoHa)"},
		{"by its name", map[string]string{"adapter_model.safetensors": adapter("x")}, "", "holds an adapter, not a model"},
		{"beside a model", map[string]string{"adapter_config.json": config, "adapter_model.safetensors": peft, "model.safetensors": adapter("q.weight")}, "", ""},
		{"not merged", map[string]string{"model.safetensors": adapter("q.base_layer.weight", "q.lora_A.x.weight", "q.lora_B.x.weight")}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			snapshot := filepath.Join(cache, "models--org--name", "snapshots", commitA)
			if err := os.RemoveAll(snapshot); err != nil {
				t.Fatal(err)
			}
			write(t, dir, tc.files)
			write(t, snapshot, tc.files)
			for _, arg := range []string{filepath.Join(dir, tc.file), strings.TrimSuffix("org/name/"+tc.file, "/")} {
				src, _, err := Open(arg, Options{})
				if tc.want != "" {
					checkError(t, src, err, checkpoint.ErrUnsupported, tc.want)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				src.Close()
			}
		})
	}
}

// TestOtherSnapshots opens models of which the snapshot of the default revision lacks the
// weights.
func TestOtherSnapshots(t *testing.T) {
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	m := string(model())
	a, b := "snapshots/"+commitA+"/", "snapshots/"+commitB+"/"
	for _, tc := range []struct {
		name     string
		files    map[string]string
		revision string
		want     string // commit that is opened; "" if none is
		said     string // in the notice or the error
	}{
		{"no weights", map[string]string{"refs/main": commitA, a + "config.json": "{}", b + "model.safetensors": m}, "", commitB, "snapshot " + commitA + " of org/name in the cache lacks weights; snapshot " + commitB + ", which has them, is opened"},
		{"a shard is missing", map[string]string{"refs/main": commitA, a + "model-00001-of-00002.safetensors": m, b + "model.safetensors": m}, "", commitB, "lacks weights"},
		{"no snapshot of main", map[string]string{"refs/main": commitA, b + "model.safetensors": m}, "", commitB, "has no snapshot " + commitA},
		{"both have them", map[string]string{"refs/main": commitA, a + "model.safetensors": m, b + "model.safetensors": m}, "", commitA, ""},
		{"a revision was asked for", map[string]string{"refs/main": commitA, a + "config.json": "{}", b + "model.safetensors": m}, "main", "", "org/name@main: no checkpoint in the folder"},
		{"broken weights", map[string]string{"refs/main": commitA, a + "model.safetensors": "Entry not found", b + "model.safetensors": m}, "", "", "org/name: model.safetensors: is a text file"},
		{"none has them", map[string]string{"refs/main": commitA, a + "config.json": "{}", b + "config.json": "{}"}, "", "", "org/name: no checkpoint in the folder"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repo := filepath.Join(cache, "models--org--name")
			if err := os.RemoveAll(repo); err != nil {
				t.Fatal(err)
			}
			write(t, repo, tc.files)
			src, r, err := Open("org/name", Options{Revision: tc.revision})
			if tc.want == "" {
				checkError(t, src, err, nil, tc.said)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if r.Revision != tc.want || !strings.Contains(r.Notice, tc.said) || tc.said == "" && r.Notice != "" {
				t.Errorf("opened %s with notice %q, want %s with %q", r.Revision, r.Notice, tc.want, tc.said)
			}
		})
	}
}

// TestNewestSnapshot checks that of several other snapshots the newest is opened.
func TestNewestSnapshot(t *testing.T) {
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	repo := filepath.Join(cache, "models--org--name")
	write(t, repo, map[string]string{"refs/main": commitA, "snapshots/" + commitA + "/config.json": "{}"})
	for i, commit := range []string{commitB, strings.Repeat("1", 40), strings.Repeat("2", 40)} {
		write(t, repo, map[string]string{"snapshots/" + commit + "/model.safetensors": string(model())})
		at := time.Now().Add(-time.Duration(10*(i+1)%23) * time.Hour)
		if err := os.Chtimes(filepath.Join(repo, "snapshots", commit), at, at); err != nil {
			t.Fatal(err)
		}
	}
	src, r, err := Open("org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if want := strings.Repeat("2", 40); r.Revision != want {
		t.Errorf("opened %s, want %s", r.Revision, want)
	}
}
