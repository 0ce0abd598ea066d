// SPDX-License-Identifier: LGPL-2.1-or-later

// Command story tells what replicant does, on real data: a volume, a clone of it, a copy of it
// while it is written, and a byte by byte comparison of all three.
//
//	go run ./story [dir:///path/to/a/root]     default: a temporary directory
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"

	"github.com/libreplicant/libreplicant/go"
)

const mib = 1 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := story(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "story:", err)
		os.Exit(1)
	}
}

func story(ctx context.Context, args []string) error {
	var uri string
	if len(args) > 0 {
		uri = args[0]
	} else {
		root, err := os.MkdirTemp("", "replicant-story")
		if err != nil {
			return err
		}
		defer os.RemoveAll(root)
		uri = "dir://" + root
	}

	conn, err := replicant.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Printf("connected to %s (libreplicant %s)\n", uri, replicant.Version())

	// A volume of 64 MiB with 24 MiB of data in it.
	source, err := conn.CreateVolume(ctx, "db", 64*mib, nil)
	if err != nil {
		return err
	}
	device, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer device.Close()
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.Copy(io.NewOffsetWriter(device, 8*mib), io.LimitReader(random, 24*mib)); err != nil {
		return err
	}
	if err := device.Flush(); err != nil {
		return err
	}
	fmt.Printf("volume   %-8s %s, %d MiB, with 24 MiB of data\n", source.Name, source.ID, source.Size/mib)
	monday, err := content(ctx, source)
	if err != nil {
		return err
	}

	// A clone is the instant of the call. It is there at once, and takes no space.
	clone, err := source.Clone(ctx, "db-snap")
	if err != nil {
		return err
	}
	fmt.Printf("clone    %-8s %s, %d bytes of its own\n", clone.Name, clone.ID, clone.ExclusiveBytes)

	// The source is written on; the clone does not see it.
	if _, err := device.WriteAt(bytes.Repeat([]byte("Tuesday "), mib/8), 8*mib); err != nil {
		return err
	}
	tuesday, err := content(ctx, source)
	if err != nil {
		return err
	}

	// A copy is the instant of the call, too, but shares nothing: a job makes it.
	job, err := source.Copy(ctx, "db-copy", &replicant.ReplicateOptions{
		Key:       "story-1", // the same call again would find this job, or its volume
		RateLimit: 12 * mib,  // so that there is something to see
		Verify:    replicant.VerifyReadBack,
	})
	if err != nil {
		return err
	}
	if _, err := device.WriteAt(bytes.Repeat([]byte("Wednesday "), mib/10), 8*mib); err != nil {
		return err
	}
	for p := range job.Progress(ctx) {
		fmt.Printf("copying  %3d %%  %v, %d of %d MiB, %d MiB needed no copying\n",
			p.Percent, p.State, p.BytesDone/mib, p.BytesTotal/mib, p.BytesSkipped/mib)
	}
	copied, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("copy     %-8s %s\n", copied.Name, copied.ID)

	// Each is what its source was at its instant, byte by byte.
	for _, c := range []struct {
		volume *replicant.Volume
		want   []byte
		day    string
	}{{clone, monday, "Monday"}, {copied, tuesday, "Tuesday"}} {
		got, err := content(ctx, c.volume)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, c.want) {
			return fmt.Errorf("%s is not what the source was on %s", c.volume.Name, c.day)
		}
		fmt.Printf("compared %-8s %d bytes, equal to the source as it was on %s\n", c.volume.Name, len(got), c.day)
	}

	// Errors say what is wrong, and what can be done.
	err = source.Delete(ctx)
	if !errors.Is(err, replicant.ErrInUse) {
		return fmt.Errorf("an open volume could be deleted: %w", err)
	}
	fmt.Println("refused  to delete db:", err)
	if err := device.Close(); err != nil {
		return err
	}
	err = source.Delete(ctx)
	if !errors.Is(err, replicant.ErrHasDependents) {
		return fmt.Errorf("a clone's source could be deleted: %w", err)
	}
	fmt.Println("refused  to delete db:", err)
	for _, v := range []*replicant.Volume{clone, copied, source} {
		if err := v.Delete(ctx); err != nil {
			return err
		}
	}
	fmt.Println("deleted  all three")
	return nil
}

// content reads all of a volume.
func content(ctx context.Context, v *replicant.Volume) ([]byte, error) {
	device, err := v.Open(ctx, replicant.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer device.Close()
	return io.ReadAll(io.NewSectionReader(device, 0, device.Size()))
}
