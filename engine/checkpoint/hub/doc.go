// Package hub finds the model that the user named: an existing file or folder,
// or a Hugging Face model id whose files lie in the local cache. It never
// touches the network.
//
// The cache is the folder that HF_HUB_CACHE names, else HUGGINGFACE_HUB_CACHE,
// $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub; "~"
// and "$VAR" in these are expanded. The repository org/name is the folder
// models--org--name in it. There, the file refs/REVISION holds a commit, and
// snapshots/COMMIT holds links to the files, whose contents are in blobs.
// Source: huggingface_hub, constants.py and file_download.py.
package hub
