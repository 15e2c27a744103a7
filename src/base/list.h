/* list.h - intrusive doubly linked lists.  A node stands on one list or on none. */
#ifndef AG_BASE_LIST_H
#define AG_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct ag_list {
	struct ag_list *prev, *next; /* of a head: last and first; of a lone node: itself */
};

static inline void
ag_list_init(struct ag_list *l)
{
	l->prev = l->next = l;
}

static inline bool
ag_list_is_empty(const struct ag_list *l)
{
	return l->next == l;
}

static inline void
ag_list_push_front(struct ag_list *head, struct ag_list *node)
{
	node->next = head->next;
	node->prev = head;
	head->next->prev = node;
	head->next = node;
}

static inline void
ag_list_push_back(struct ag_list *head, struct ag_list *node)
{
	ag_list_push_front(head->prev, node);
}

/* Harmless on a node that stands on no list. */
static inline void
ag_list_remove(struct ag_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	ag_list_init(node);
}

#define AG_LIST_ENTRY(node, type, member) AG_CONTAINER_OF(node, type, member)
#define AG_LIST_FOREACH(it, head) \
	for (struct ag_list *it = (head)->next; it != (head); it = it->next)
#define AG_LIST_FOREACH_SAFE(it, tmp, head)                                            \
	for (struct ag_list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, \
	                    tmp = it->next)

#endif
