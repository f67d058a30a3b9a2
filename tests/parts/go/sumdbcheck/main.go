// Sumdbcheck checks this project's notes and proofs with Go's own
// golang.org/x/mod/sumdb packages, which were written by others.
//
// Usage:
//
//	sumdbcheck note VKEY NOTE                     print the text of a signed note
//	sumdbcheck inclusion VKEY RECEIPT LEAF        check a c2sp.org/tlog-proof@v1 file
//	sumdbcheck consistency VKEY OLD NEW PROOF     check that NEW extends OLD
//
// VKEY is the verifier key or a file that holds it; all else are files. OLD and
// NEW are signed checkpoints; PROOF has one base64 hash a line. The exit code is
// 0 if the check holds, 1 if it does not, 2 if the command is wrong.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

func main() {
	commands := map[string]struct {
		files int
		check func(verifier note.Verifier, files [][]byte) (string, error)
	}{
		"note":        {1, checkNote},
		"inclusion":   {2, checkInclusion},
		"consistency": {3, checkConsistency},
	}
	if len(os.Args) < 3 {
		fail(2, errors.New("usage: sumdbcheck note|inclusion|consistency VKEY FILE..."))
	}
	command, known := commands[os.Args[1]]
	if !known || len(os.Args) != 3+command.files {
		fail(2, fmt.Errorf("%s: unknown command or wrong number of files", os.Args[1]))
	}
	verifier, err := loadVerifier(os.Args[2])
	if err != nil {
		fail(2, err)
	}
	var files [][]byte
	for _, name := range os.Args[3:] {
		data, err := os.ReadFile(name)
		if err != nil {
			fail(2, err)
		}
		files = append(files, data)
	}
	answer, err := command.check(verifier, files)
	if err != nil {
		fail(1, err)
	}
	fmt.Print(answer)
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "sumdbcheck:", err)
	os.Exit(code)
}

// loadVerifier takes a verifier key, or the name of a file that holds one.
func loadVerifier(argument string) (note.Verifier, error) {
	if data, err := os.ReadFile(argument); err == nil {
		argument = strings.TrimSpace(string(data))
	}
	return note.NewVerifier(argument)
}

func checkNote(verifier note.Verifier, files [][]byte) (string, error) {
	opened, err := note.Open(files[0], note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	return opened.Text, nil
}

func checkInclusion(verifier note.Verifier, files [][]byte) (string, error) {
	index, proof, checkpoint, err := parseReceipt(files[0])
	if err != nil {
		return "", err
	}
	tree, err := openCheckpoint(verifier, checkpoint)
	if err != nil {
		return "", err
	}
	err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(files[1]))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("leaf %d is in the tree of size %d\n", index, tree.N), nil
}

func checkConsistency(verifier note.Verifier, files [][]byte) (string, error) {
	older, err := openCheckpoint(verifier, files[0])
	if err != nil {
		return "", fmt.Errorf("older checkpoint: %w", err)
	}
	newer, err := openCheckpoint(verifier, files[1])
	if err != nil {
		return "", fmt.Errorf("newer checkpoint: %w", err)
	}
	proof, err := parseHashes(strings.Fields(string(files[2])))
	if err != nil {
		return "", err
	}
	err = tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("size %d extends size %d\n", newer.N, older.N), nil
}

// parseReceipt cuts a tlog-proof into leaf index, hashes and signed checkpoint.
func parseReceipt(data []byte) (int64, []tlog.Hash, []byte, error) {
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != proofHeader {
		return 0, nil, nil, fmt.Errorf("receipt: expected %q and a blank line", proofHeader)
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return 0, nil, nil, errors.New("receipt: expected an index line")
	}
	index, err := parseNumber(strings.TrimPrefix(lines[0], "index "))
	if err != nil {
		return 0, nil, nil, err
	}
	hashes, err := parseHashes(lines[1:])
	return index, hashes, checkpoint, err
}

// openCheckpoint opens a signed checkpoint and reads its size and root hash.
func openCheckpoint(verifier note.Verifier, signed []byte) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("checkpoint: expected origin, size and root hash")
	}
	size, err := parseNumber(lines[1])
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// parseNumber reads a decimal number without sign or leading zeros.
func parseNumber(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 || strconv.FormatInt(number, 10) != text {
		return 0, fmt.Errorf("%q is not a plain number", text)
	}
	return number, nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("%q is not the base64 of a hash", line)
		}
		hashes = append(hashes, tlog.Hash(raw))
	}
	return hashes, nil
}
