package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/enclavebuild"
)

func main() { os.Exit(run()) }

func run() int {
	program := flag.String("program", "bin/cordon-enclave", "the program that 'make build' made")
	goCommand := flag.String("go", "go", "the go command")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m, err := release(ctx, *program, *goCommand)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: releases are built on Debian, in a clone whose modules go.sum names\n", err)
		return 1
	}
	fmt.Printf("program  %s\nsbom     %s\nsource   %s", m.Program.Digest, m.SBOM.Digest, m.Source.Commit)
	if m.Source.Modified {
		fmt.Print(", modified: not a release")
	}
	fmt.Println()
	return 0
}

var errOther = errors.New("a second build gave another program")

func release(ctx context.Context, program, goCommand string) (*enclavebuild.Manifest, error) {
	source, err := enclavebuild.SourceOf(ctx, ".")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cordon-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := enclavebuild.Make(ctx, dir, enclavebuild.Options{Root: ".", Go: goCommand, Source: source})
	if err != nil {
		return nil, err
	}
	if err := same(program, r.Program); err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{enclavebuild.ManifestName: r.Manifest, enclavebuild.SBOMName: r.SBOM} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(program), name), b, 0o644); err != nil {
			return nil, err
		}
	}
	return enclavebuild.DecodeManifest(r.Manifest)
}

func same(a, b string) error {
	x, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	y, err := os.ReadFile(b)
	if err == nil && !bytes.Equal(x, y) {
		err = errOther
	}
	return err
}
