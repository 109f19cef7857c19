// The same as pool.cpp, by goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(2)
	begin, before := time.Now(), cpu()
	if os.Args[1] == "tasks" {
		var all sync.WaitGroup
		all.Add(count)
		for i := 0; i < count; i++ {
			go all.Done()
		}
		all.Wait()
	} else {
		for i := 0; i < count; i++ {
			result := make(chan int, 1)
			go func() { result <- i }()
			<-result
		}
	}
	took := time.Since(begin).Seconds()
	fmt.Printf("{\"rate\": %.0f, \"cpu_ns\": %.1f}\n", float64(count)/took, (cpu()-before)*1e9/float64(count))
}
