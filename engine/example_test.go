package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Analyse the attention of the first block of the bundled sample at two levels.
func Example() {
	src, _, err := open.Open("../examples/gosrc-lm", open.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()

	opts := engine.DefaultOptions()
	opts.Levels, err = quant.ParseList("fp16,4bit")
	if err != nil {
		log.Fatal(err)
	}
	opts.Layers = []string{"model.layers.0.self_attn.*"}

	res, err := engine.Analyze(context.Background(), src, opts)
	if err != nil {
		log.Fatal(err)
	}
	for k, level := range res.Levels {
		for _, row := range res.Rows[k] {
			fmt.Printf("%-5s %-8s alpha %.3f, %.0f values, SNR %.1f dB\n",
				level, row.Layer.Name(), row.Get("alpha"), row.Get("unique_values"), row.Get("snr_db"))
		}
	}
	fmt.Println(res.Count(engine.Analysed), "analysed,", res.Count(engine.Skipped), "skipped")
	// Output:
	// fp16  k_proj   alpha 2.815, 12503 values, SNR +Inf dB
	// fp16  o_proj   alpha 1.503, 16026 values, SNR +Inf dB
	// fp16  q_proj   alpha 1.572, 16177 values, SNR +Inf dB
	// fp16  v_proj   alpha 1.520, 12359 values, SNR +Inf dB
	// 4bit  k_proj   alpha 2.893, 14 values, SNR 13.9 dB
	// 4bit  o_proj   alpha 1.530, 15 values, SNR 14.2 dB
	// 4bit  q_proj   alpha 1.618, 14 values, SNR 13.1 dB
	// 4bit  v_proj   alpha 1.570, 15 values, SNR 13.8 dB
	// 4 analysed, 36 skipped
}
