// Package hub finds the model that the user named: an existing file or folder,
// or a Hugging Face model id, or an address of the hub, whose files are in the local
// cache. It never uses the network.
//
// The cache is the folder named by HF_HUB_CACHE or else by HUGGINGFACE_HUB_CACHE, or
// else $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub; "~"
// and "$VAR" in these are expanded. What is not there is looked for in the folder named by
// TRANSFORMERS_CACHE, which comes before the last three. The repository org/name is the folder
// models--org--name in it. There, the file refs/REVISION holds a commit, and
// snapshots/COMMIT holds links to the files, whose contents are in blobs. Links are
// followed wherever they lead.
// Source: huggingface_hub, constants.py and file_download.py.
package hub
