// Checks a signed note and two proofs with Go's packages for the checksum database.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	Note, Key, Record      string
	Index, Old             int64
	Inclusion, Consistency [][]int
	OldRoot                []int
}

func hash(bytes []int) (h tlog.Hash) {
	for i, b := range bytes {
		h[i] = byte(b)
	}
	return h
}

func hashes(list [][]int) (hs []tlog.Hash) {
	for _, bytes := range list {
		hs = append(hs, hash(bytes))
	}
	return hs
}

func check(what string, err error) {
	if err != nil {
		fmt.Println(what, err)
		os.Exit(1)
	}
}

func refuse(what string, err error) {
	if err == nil {
		fmt.Println(what, "was accepted")
		os.Exit(1)
	}
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	check("input", err)
	var in input
	check("input", json.Unmarshal(data, &in))
	verifier, err := note.NewVerifier(in.Key)
	check("key", err)
	opened, err := note.Open([]byte(in.Note), note.VerifierList(verifier))
	check("note", err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check("size", err)
	bytes, err := base64.StdEncoding.DecodeString(lines[2])
	check("root", err)
	var root tlog.Hash
	copy(root[:], bytes)
	leaf := tlog.RecordHash([]byte(in.Record))
	check("inclusion", tlog.CheckRecord(hashes(in.Inclusion), size, root, in.Index, leaf))
	check("consistency", tlog.CheckTree(hashes(in.Consistency), size, root, in.Old, hash(in.OldRoot)))
	_, err = note.Open([]byte(strings.Replace(in.Note, "\n"+lines[1]+"\n", "\n701\n", 1)), note.VerifierList(verifier))
	refuse("a changed note", err)
	refuse("a changed record", tlog.CheckRecord(hashes(in.Inclusion), size, root, in.Index, tlog.RecordHash([]byte(in.Record+" "))))
	refuse("another tree", tlog.CheckTree(hashes(in.Consistency), size, root, in.Old+1, hash(in.OldRoot)))
	fmt.Println("note, inclusion and consistency hold; changes do not")
}
