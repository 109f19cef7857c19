// Everything of the selectors room (docs/selectors.md).
#pragma once

#include <polyio/selectors/busy_selector.hpp>
#include <polyio/selectors/callback_selector.hpp>
#include <polyio/selectors/devpoll_selector.hpp>
#include <polyio/selectors/epoll_selector.hpp>
#include <polyio/selectors/kqueue_selector.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <polyio/selectors/select_selector.hpp>
#include <polyio/selectors/selector.hpp>
#include <polyio/selectors/signal_selector.hpp>
