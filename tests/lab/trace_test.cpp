#include "lab/trace/trace.hpp"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lab/trace/recorder.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Tracer, ShowsEachCallsEntryThenItsExit) {
  Child child({.arguments = {"5", "3", "0"}, .traced = true, .program = POLYIO_CALLS});
  std::map<pid_t, Stop> inside;
  std::vector<std::int64_t> parents;
  std::set<pid_t> threads;
  TimePoint last{};
  try {
    Tracer tracer(child, [&](const Stop& stop) {
      EXPECT_GE(stop.at, last);
      last = stop.at;
      if (stop.kind == Stop::Kind::entry) {
        EXPECT_TRUE(inside.emplace(stop.thread, stop).second);
      } else if (stop.kind == Stop::Kind::exit) {
        const auto entry = inside.extract(stop.thread);
        if (!entry || entry.mapped().number != SYS_getppid) return;
        parents.push_back(stop.result);
        threads.insert(stop.thread);
      }
    });
    tracer.run_to_the_end();
    EXPECT_TRUE(tracer.ended());
  } catch (const Denied& denied) {
    GTEST_SKIP() << denied.what();
  }
  EXPECT_EQ(parents, std::vector<std::int64_t>(8, ::getpid()));
  EXPECT_EQ(threads.size(), 2U);
}

// Calls of two threads, 11 and 12, at the microseconds that are given.
class Recorded : public testing::Test {
 protected:
  static TimePoint at(int us) { return TimePoint(1s) + std::chrono::microseconds(us); }
  void enter(int us, long number, std::uint64_t fd = 9, pid_t thread = 11) {
    recorder_->see({.kind = Stop::Kind::entry,
                    .thread = thread,
                    .at = at(us),
                    .number = static_cast<std::uint64_t>(number),
                    .args = {fd}});
  }
  void leave(int us, std::int64_t result, pid_t thread = 11) {
    recorder_->see({.kind = Stop::Kind::exit, .thread = thread, .at = at(us), .result = result});
  }
  void call(int begin, int end, long number, std::int64_t result, std::uint64_t fd = 9,
            pid_t thread = 11) {
    enter(begin, number, fd, thread);
    leave(end, result, thread);
  }
  void accepted() { call(-2000, -1990, SYS_accept4, 9, 3); }
  // The client sends from -10 to 0; the handler has the bytes at 50, the client the answer at 90.
  Trace taken(bool judged = true) {
    Trace trace;
    trace.call = call_;
    trace.begin = -1'000'000;
    trace.sending = -10'000;
    trace.handler = 50'000;
    trace.answering = 60'000;
    trace.answered = 90'000;
    recorder_->take(trace, at(0));
    if (judged) judge(trace);
    return trace;
  }

  // From now on it is of this call, on this descriptor.
  void of(std::string_view name, int descriptor) {
    call_ = find_call(name);
    recorder_.emplace(*call_);
    recorder_->follow(descriptor);
  }

  const Call* call_ = find_call("recv");
  std::optional<Recorder> recorder_{std::in_place};
};

TEST_F(Recorded, ACallThatWaitsAndCopies) {
  accepted();
  call(-990, 40, SYS_recvfrom, 64);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::same_call);
  EXPECT_EQ(trace.copy, Trace::Copy::by_handlers_thread);
  EXPECT_EQ(trace.copy_begin, 0);
  EXPECT_EQ(trace.copied, 40'000);
  EXPECT_TRUE(trace.synchronous);
  EXPECT_THAT(sentence_of(trace), HasSubstr("the same call"));
}

TEST_F(Recorded, ACallThatWaitsAndOneThatCopies) {
  accepted();
  call(-995, -992, SYS_recvfrom, -EAGAIN);  // as edge-triggered models do
  call(-990, 10, SYS_ppoll, 1);
  call(20, 30, SYS_read, 8, 4);  // of another descriptor
  call(31, 45, SYS_recvfrom, 64);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::other_call);
  EXPECT_EQ(trace.waits_in, "ppoll");
  EXPECT_EQ(trace.copies_in, "recvfrom");
  EXPECT_EQ(trace.copy_begin, 31'000);
  EXPECT_TRUE(trace.synchronous);
}

TEST_F(Recorded, AskingInVain) {
  accepted();
  for (int us = -900; us < -10; us += 100) call(us, us + 50, SYS_recvfrom, -EAGAIN);
  call(-20, 5, SYS_accept4, -EAGAIN, 3);
  call(10, 20, SYS_recvfrom, 64);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::asking);
  EXPECT_EQ(trace.in_vain, 9U);
  EXPECT_THAT(sentence_of(trace), HasSubstr("in vain 9 times"));
}

TEST_F(Recorded, AHelperThreadThatCopies) {
  accepted();
  enter(-990, SYS_ppoll, 0);
  call(-980, 5, SYS_read, 64, 9, 12);
  call(10, 15, SYS_rt_sigqueueinfo, 0, 11, 12);
  leave(30, 1);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::same_call);
  EXPECT_EQ(trace.copy, Trace::Copy::by_other);
  EXPECT_EQ(trace.copying_thread, 2);
  EXPECT_FALSE(trace.synchronous);
  EXPECT_THAT(sentence_of(trace), HasSubstr("a signal"));
  EXPECT_EQ(threads_of(trace), (std::vector<int>{1, 2}));
}

TEST_F(Recorded, NoCallThatCopies) {
  call(-990, 20, SYS_io_uring_enter, 0, 5);
  enter(70, SYS_io_uring_enter, 5);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::other_call);
  EXPECT_EQ(trace.copy, Trace::Copy::by_kernel);
  EXPECT_EQ(trace.copied, 20'000);
  EXPECT_FALSE(trace.synchronous);
  EXPECT_FALSE(trace.calls.back().end);
}

TEST_F(Recorded, AHandlerThatRanWithoutACallBeforeItIsAnError) {
  call(60, 70, SYS_recvfrom, 64);
  EXPECT_THROW(taken(), std::runtime_error);
}

TEST_F(Recorded, WhatIsOverIsForgottenAtTheStart) {
  accepted();
  enter(-1500, SYS_recvfrom);
  recorder_->start();
  EXPECT_FALSE(recorder_->answers());
  leave(10, 64);
  enter(60, SYS_sendto);
  EXPECT_TRUE(recorder_->answers());
  const Trace trace = taken();
  ASSERT_EQ(trace.calls.size(), 2U);
  EXPECT_EQ(trace.calls[0].begin, -1'500'000);
  EXPECT_TRUE(trace.calls[0].moves);
  EXPECT_TRUE(trace.calls[1].answers);
}

TEST_F(Recorded, OfTooManyCallsTheMiddleIsLeftOut) {
  accepted();
  constexpr int made = 10'000;
  for (int i = 0; i < made; ++i) call(-900 + i, -900 + i, SYS_getppid, i);
  const Trace trace = taken(false);
  EXPECT_LT(trace.calls.size(), most_calls);
  EXPECT_EQ(trace.calls.size() + trace.calls_left_out, made + 1U);
  EXPECT_EQ(trace.calls.front().name, "accept4");
  EXPECT_EQ(trace.calls.back().result, made - 1);
}

TEST_F(Recorded, CallsInVainThatAreLeftOutAreCounted) {
  accepted();
  constexpr std::size_t made = 10'000;
  for (std::size_t i = 0; i < made; ++i) call(-900, -899, SYS_recvfrom, -EAGAIN);
  call(10, 20, SYS_recvfrom, 64);
  const Trace trace = taken();
  EXPECT_GT(trace.calls_left_out, 0U);
  EXPECT_EQ(trace.in_vain, made);
}

TEST_F(Recorded, PiecesLieWithinTheRecording) {
  accepted();
  call(-990, 10, SYS_ppoll, 1);
  call(31, 45, SYS_recvfrom, 64);
  enter(61, SYS_sendto);
  const Trace trace = taken();
  std::string kinds;
  for (const Piece& piece : pieces_of(trace, 1)) {
    EXPECT_LE(trace.begin, piece.begin);
    EXPECT_LT(piece.begin, piece.end);
    EXPECT_LE(piece.end, trace.answered);
    kinds += piece.sign;
  }
  EXPECT_EQ(kinds, ".->#");
}

TEST_F(Recorded, TheScaleIsMonotonousAndOfTheWidthAsked) {
  call(-990, 20, SYS_io_uring_enter, 0, 5);
  const std::vector<Trace> traces{taken(), Trace{.model = "none", .left_out = "why"}};
  const Scale scale = scale_of(traces, 10, 50);
  EXPECT_EQ(scale.at(-5'000'000), 0);
  EXPECT_EQ(scale.at(-10'000), 10);
  EXPECT_LT(scale.at(0), scale.at(1000));
  EXPECT_EQ(scale.at(5'000'000), 50);
}

TEST_F(Recorded, AcceptIsTakenFromTheListenerOnly) {
  of("accept", 3);
  call(-990, 10, SYS_epoll_pwait2, 1, 5);
  call(12, 14, SYS_accept4, 8, 4);  // of another listener
  call(20, 30, SYS_accept4, 9, 3);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::other_call);
  EXPECT_EQ(trace.copy_begin, 20'000);
  EXPECT_THAT(sentence_of(trace), HasSubstr("accept4, a call of its own, takes the connection"));
}

TEST_F(Recorded, ASendThatWaitsForRoom) {
  of("send", 9);
  call(-995, -992, SYS_sendto, -EAGAIN);
  call(-990, 10, SYS_ppoll, 1, 0);
  call(12, 14, SYS_recvfrom, 64);
  call(20, 30, SYS_sendto, 64);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::other_call);
  EXPECT_EQ(trace.copies_in, "sendto");
  EXPECT_FALSE(trace.calls.back().answers);
  EXPECT_TRUE(trace.synchronous);
}

TEST_F(Recorded, ADatagramThatIsSentNeedNotWait) {
  of("sendto", 9);
  call(-990, -5, SYS_ppoll, 1, 0);
  call(5, 30, SYS_sendmsg, 64);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::none);
  EXPECT_EQ(sentence_of(trace),
            "The thread need not wait; sendmsg copies the datagram: synchronous.");
}

TEST_F(Recorded, AConnectionWhoseResultIsAskedFor) {
  of("connect", -1);
  call(-995, -993, SYS_connect, -EINPROGRESS, 7);
  for (int us = -900; us < -10; us += 100) call(us, us + 50, SYS_getpeername, -ENOTCONN, 7);
  call(20, 30, SYS_getpeername, 0, 7);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::asking);
  EXPECT_EQ(trace.in_vain, 9U);
  EXPECT_EQ(trace.copied, 30'000);
  EXPECT_THAT(sentence_of(trace), HasSubstr("brings the result"));
}

TEST_F(Recorded, AConnectionThatTheProcessHasSeenBeforeTheLab) {
  of("connect", -1);
  call(-990, -4, SYS_connect, 0, 7);
  const Trace trace = taken();
  EXPECT_EQ(trace.wait, Trace::Wait::same_call);
  EXPECT_EQ(trace.copied, 0);
  EXPECT_EQ(trace.handler, 54'000);
  EXPECT_EQ(trace.calls.front().begin, -986'000);
}

TEST_F(Recorded, AConnectionThatTheKernelMakes) {
  of("connect", -1);
  call(-990, -4, SYS_io_uring_enter, 1, 5);
  const Trace trace = taken();
  EXPECT_EQ(trace.copy, Trace::Copy::by_kernel);
  EXPECT_THAT(sentence_of(trace), HasSubstr("the kernel connects, which is over when"));
}

TEST_F(Recorded, EachCallHasAScaleOfItsOwn) {
  of("accept", 3);
  call(-990, 30, SYS_accept4, 9, 3);
  std::vector<Trace> traces{taken()};
  of("recvfrom", 9);
  call(-990, 30, SYS_recvmsg, 64);
  traces.push_back(taken());
  ASSERT_EQ(by_call(traces).size(), 2U);
  const std::string svg = svg_of(traces, {});
  EXPECT_THAT(svg, HasSubstr("accept: a client connects"));
  EXPECT_THAT(svg, HasSubstr("recvfrom: a datagram of 64 bytes comes"));
  EXPECT_THAT(text_of(traces, {}), HasSubstr("at 0 the kernel has the connection."));
  EXPECT_EQ(json_of(traces, {})["trace"]["models"][1]["call"], "recvfrom");
}

TEST(Calls, AreKnownByName) {
  for (const Call& call : traced_calls()) {
    EXPECT_EQ(find_call(call.name), &call);
    EXPECT_FALSE(call.system_calls.empty());
  }
  EXPECT_EQ(find_call("listen"), nullptr);
}

TEST(Trace, NoneThatWasTracedIsDrawnAllTheSame) {
  const std::vector<Trace> traces{Trace{.model = "x<y", .left_out = "a & b"}};
  EXPECT_THAT(svg_of(traces, {}), HasSubstr("x&lt;y"));
  EXPECT_THAT(text_of(traces, {}), HasSubstr("not traced: a & b"));
  EXPECT_EQ(json_of(traces, {})["trace"]["models"][0]["left_out"], "a & b");
}

}  // namespace
}  // namespace polyio::lab
