// Load measures immudb with its own client: records a second that several
// connections write by VerifiedSet, each answer durable and its proof checked.
//
// Usage:
//
//	immudb-load ADDRESS PORT FOLDER CONNECTIONS RECORDS BYTES
//
// Each connection is a client with a session and a state of its own below FOLDER and
// writes one record at a time: a new 32-byte key with a value of BYTES random bytes.
// The standard output is one line of JSON: {"records": 1000, "seconds": 1.5}. The
// user is the one that a new server has.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codenotary/immudb/pkg/client"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "immudb-load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 6 {
		return fmt.Errorf("usage: ADDRESS PORT FOLDER CONNECTIONS RECORDS BYTES")
	}
	var numbers [4]int
	for place, text := range []string{args[1], args[3], args[4], args[5]} {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 {
			return fmt.Errorf("want a number above 0, got %q", text)
		}
		numbers[place] = number
	}
	port, connections, records, size := numbers[0], numbers[1], numbers[2], numbers[3]
	clients := make([]client.ImmuClient, connections)
	for place := range clients {
		one, err := open(args[0], port, filepath.Join(args[2], strconv.Itoa(place)))
		if err != nil {
			return err
		}
		defer one.CloseSession(context.Background())
		clients[place] = one
	}
	seconds, err := load(clients, records, size)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"records": records, "seconds": seconds,
	})
}

// open returns a client with a session of its own.
func open(address string, port int, folder string) (client.ImmuClient, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	options := client.DefaultOptions().WithAddress(address).WithPort(port).WithDir(folder)
	one := client.NewClient().WithOptions(options)
	user := []byte("immudb")
	return one, one.OpenSession(context.Background(), user, user, "defaultdb")
}

// load writes the records from all clients at once and returns the seconds it took.
func load(clients []client.ImmuClient, records, size int) (float64, error) {
	var taken atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, len(clients))
	began := time.Now()
	for _, one := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			for taken.Add(1) <= int64(records) {
				if err := write(one, size); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(failures)
	return time.Since(began).Seconds(), <-failures
}

func write(one client.ImmuClient, size int) error {
	data := make([]byte, 32+size)
	if _, err := rand.Read(data); err != nil {
		return err
	}
	_, err := one.VerifiedSet(context.Background(), data[:32], data[32:])
	return err
}
