// Command witnessed runs a Tessera log whose checkpoints must be cosigned.
//
// Usage: witnessed DIR LOG-KEY POLICY ENTRIES
//
// It appends entries one by one, each in a checkpoint of its own, and asks the witnesses
// of a C2SP policy for their cosignatures; no checkpoint is published without them. At
// last it prints the published checkpoint.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: witnessed DIR LOG-KEY POLICY ENTRIES")
	}
	key := must(os.ReadFile(os.Args[2]))
	signer := must(note.NewSigner(strings.TrimSpace(string(key))))
	policy := must(os.ReadFile(os.Args[3]))
	witnesses := must(tessera.NewWitnessGroupFromPolicy(policy))
	count := must(strconv.Atoi(os.Args[4]))

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	driver := must(posix.New(ctx, posix.Config{Path: os.Args[1]}))
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(1, 10*time.Millisecond).
		WithCheckpointInterval(100*time.Millisecond).
		WithWitnesses(witnesses, &tessera.WitnessOptions{FailOpen: false})
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		log.Fatal(err)
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	for place := range count {
		entry := tessera.NewEntry(fmt.Appendf(nil, "entry %d", place))
		if _, _, err := awaiter.Await(ctx, appender.Add(ctx, entry)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Print(string(must(reader.ReadCheckpoint(ctx))))
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
