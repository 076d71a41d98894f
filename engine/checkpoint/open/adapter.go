package open

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

const adapterConfig = "adapter_config.json"

// maxConfigBytes limits the configuration of an adapter.
const maxConfigBytes = 16 << 20

// isAdapter reports whether the files are those that PEFT writes for an adapter in a format
// without a reader.
func (l *listing) isAdapter() bool {
	return slices.Contains(l.files, adapterConfig) && slices.ContainsFunc(l.files, isAdapterName)
}

// isAdapterName reports whether a file has the name that PEFT gives the weights of an
// adapter.
func isAdapterName(name string) bool {
	return strings.HasPrefix(name, "adapter_model")
}

// checkAdapter returns an error if src, which was opened at path, is an adapter, by its
// tensors or by the names of its files.
func checkAdapter(src checkpoint.Source, path string, isFolder bool) error {
	dir := path
	if !isFolder {
		dir = filepath.Dir(path)
	}
	kind := checkpoint.AdapterKind(src.Tensors())
	named := !slices.ContainsFunc(src.Files(), func(f checkpoint.File) bool { return !isAdapterName(f.Name) })
	if kind == "" && !named {
		return nil
	}
	return checkpoint.Adapterf(kind, baseModel(dir))
}

// baseModel returns the name of the model that the adapter in the folder dir changes, as
// its configuration says, or "".
func baseModel(dir string) string {
	f, _, err := fileio.Open(filepath.Join(dir, adapterConfig))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes))
	if err != nil {
		return ""
	}
	var config struct {
		Base string `json:"base_model_name_or_path"`
	}
	// The name is only a help for the user: what cannot be read has none.
	_ = json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &config)
	return config.Base
}
