// What gguf-parser-go estimates for a card: main FILE N_CTX..., one line of JSON for each context. Built by memory_peers.py.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strconv"

	parser "github.com/gpustack/gguf-parser-go"
)

func main() {
	file, err := parser.ParseGGUFFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range os.Args[2:] {
		context, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			log.Fatal(err)
		}
		run := file.EstimateLLaMACppRun(parser.WithLLaMACppContextSize(int32(context)), parser.WithFlashAttention(),
			parser.WithLLaMACppPhysicalBatchSize(512))
		card := run.Devices[1]
		json.NewEncoder(os.Stdout).Encode(map[string]uint64{
			"weights": uint64(card.Weight.Sum()), "kv_cache": uint64(card.KVCache.Sum()), "compute": uint64(card.Computation.Sum()),
			"fixed": uint64(card.Footprint + card.Computation.Footprint), "total": uint64(run.SummarizeItem(false, 0, 0).VRAMs[0].NonUMA)})
	}
}
