// SPDX-License-Identifier: LGPL-2.1-or-later

/*
Package replicant replicates storage volumes: clones, copies and mirrors. It is libreplicant for Go.

	conn, err := replicant.Connect(ctx, "dir:///srv/pool")
	if err != nil { … }
	defer conn.Close()

	source, err := conn.CreateVolume(ctx, "db", 10<<30, nil)
	io, err := source.Open(ctx) // io.ReaderAt, io.WriterAt, io.Closer

	snap, err := source.Clone(ctx, "db-snap")    // a Volume, at once
	job, err := source.Copy(ctx, "db-copy", nil) // a Job
	for p := range job.Progress(ctx) {
		fmt.Printf("%d %%\n", p.Percent)
	}
	copy, err := job.Wait(ctx) // ctx ends the waiting; job.Cancel(ctx) ends the job

Volumes, pools, jobs and replications are facts as they were when they were read, with verbs; what
is new is read again. Any number of goroutines may use one Conn or one IO. To wait for a job or an
event takes a goroutine, not a thread.

A ctx is looked at before a call, and while something is waited for. A call on local storage that
has begun is not interrupted.

Errors are *Error, to be asked by meaning, and in detail:

	if errors.Is(err, replicant.ErrNoSpace) { … }
	var e *replicant.Error
	if errors.As(err, &e) { fmt.Println(e.Code, e.Hint, e.Retryable) }

Each comment ends with the C call behind it; its full contract is in the C headers.

The package needs libreplicant and its pkg-config file to build.
*/
package replicant
