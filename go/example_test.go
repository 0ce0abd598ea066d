// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

// connection is one to a new root, for an example.
func connection() (*replicant.Conn, func()) {
	root, err := os.MkdirTemp("", "replicant-example")
	if err != nil {
		log.Fatal(err)
	}
	conn, err := replicant.Connect(context.Background(), "dir://"+root)
	if err != nil {
		log.Fatal(err)
	}
	return conn, func() {
		conn.Close()
		os.RemoveAll(root)
	}
}

func Example() {
	ctx := context.Background()
	conn, done := connection()
	defer done()

	source, err := conn.CreateVolume(ctx, "db", 16<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	f, err := source.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("hello"), 4096); err != nil {
		log.Fatal(err)
	}

	snap, err := source.Clone(ctx, "db-snap")
	if err != nil {
		log.Fatal(err)
	}
	job, err := source.Copy(ctx, "db-copy", nil)
	if err != nil {
		log.Fatal(err)
	}
	copied, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range []*replicant.Volume{snap, copied} {
		g, err := v.Open(ctx, replicant.ReadOnly)
		if err != nil {
			log.Fatal(err)
		}
		p := make([]byte, 5)
		if _, err := g.ReadAt(p, 4096); err != nil {
			log.Fatal(err)
		}
		g.Close()
		fmt.Printf("%s: %s\n", v.Name, p)
	}
	// Output:
	// db-snap: hello
	// db-copy: hello
}

func ExampleError() {
	ctx := context.Background()
	conn, done := connection()
	defer done()

	_, err := conn.CreateVolume(ctx, "", 1<<20, nil)
	var e *replicant.Error
	fmt.Println(errors.Is(err, replicant.ErrInvalidArgument), errors.As(err, &e) && e.Code == replicant.CodeInvalidArgument)

	_, err = conn.Volume(ctx, "nosuch")
	fmt.Println(errors.Is(err, replicant.ErrNotFound), errors.Is(err, os.ErrNotExist))
	// Output:
	// true true
	// true true
}

func ExampleJob_Wait() {
	ctx := context.Background()
	conn, done := connection()
	defer done()
	source, err := conn.CreateVolume(ctx, "db", 64<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	f, err := source.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	f.WriteAt(make([]byte, 1<<20), 0)
	for i := int64(0); i < 8<<20; i += 4096 {
		f.WriteAt([]byte("not zero"), i)
	}
	f.Close()

	job, err := source.Copy(ctx, "db-copy", &replicant.ReplicateOptions{RateLimit: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}

	// Waiting can end before the job does.
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = job.Wait(short)
	fmt.Println(err)

	// To end the job is another thing.
	if err := job.Cancel(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = job.Wait(ctx)
	fmt.Println(errors.Is(err, replicant.ErrCancelled))
	// Output:
	// context deadline exceeded
	// true
}

func ExampleJob_Progress() {
	ctx := context.Background()
	conn, done := connection()
	defer done()
	source, err := conn.CreateVolume(ctx, "db", 4<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	job, err := source.Copy(ctx, "db-copy", nil)
	if err != nil {
		log.Fatal(err)
	}
	var last replicant.Progress
	for p := range job.Progress(ctx) {
		last = p // a line of a progress bar
	}
	fmt.Printf("%v, %d %%\n", last.State, last.Percent)
	// Output: done, 100 %
}

func ExampleConn_Events() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, done := connection()
	defer done()

	events := conn.Events(ctx) // it listens from here on
	v, err := conn.CreateVolume(ctx, "db", 1<<20, nil)
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range events {
		if err != nil {
			log.Fatal(err)
		}
		if e.Kind == replicant.EventVolume && e.ObjectID == v.ID {
			fmt.Println("there it is")
			break
		}
	}
	// Output: there it is
}
