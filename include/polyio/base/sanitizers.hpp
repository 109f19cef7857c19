// Which sanitizer this is built with: POLYIO_ASAN and POLYIO_TSAN are 1 or 0. For the few places
// where a sanitizer must see what a shortcut of ours would hide from it.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POLYIO_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define POLYIO_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(POLYIO_ASAN)
#define POLYIO_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(POLYIO_TSAN)
#define POLYIO_TSAN 1
#endif
#ifndef POLYIO_ASAN
#define POLYIO_ASAN 0
#endif
#ifndef POLYIO_TSAN
#define POLYIO_TSAN 0
#endif
