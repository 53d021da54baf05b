// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tls.c through a transport: who is believed, what is said of who is not, and that nobody hears
 * a question before. Each server here is real (OpenSSL) and wrong in one way.
 */
#include "support.h"

#include "base/limits.h"
#include "transport_support.h"

static struct identity good;

/* Whatever comes as a whole message is answered. */
static void hear(struct peer *p)
{
	static struct wire answer;
	uint8_t prefix[2];

	if (p->len < 2 || p->len < 2U + msg_get16(p->in))
		return;
	answer.len = 0;
	say_address(&answer, p->in + 2, msg_get16(p->in));
	p->len = 0;
	msg_put16(prefix, (uint16_t)answer.len);
	peer_send(p, prefix, 2);
	peer_send(p, answer.b, answer.len);
}

static int setup(void **state)
{
	set_up_transport(CONF_TLS);
	return 0;
}

static void serve(SSL_CTX *ctx)
{
	start_with(ctx, hear);
}

static const char *error_text(void)
{
	static struct transport_figures f;

	f = figures();
	return f.error;
}

static void assert_refused(int status, const char *text)
{
	ask_wait(0);
	assert_int_equal(asks[0]->status, status);
	if (!strstr(error_text(), text))
		fail_msg("\"%s\" instead of \"%s\"", error_text(), text);
	settle_loop(loop);
	assert_int_equal(server->heard, 0);
}

static void assert_trusted(void)
{
	ask_wait(0);
	if (asks[0]->status)
		fail_msg("%s", error_text());
	assert_answered(asks[0]);
}

/* A server with a certificate of these names and days, by the authority that is trusted. */
static void serve_certificate(const char *names, long from_days, long to_days)
{
	struct identity id = make_identity(&authority, names, from_days, to_days);

	serve(make_context(&id, NULL));
	identity_done(&id);
}

/* --- who is believed ---------------------------------------------------------------------- */

static void a_name_of_the_certificate_is_believed(void **state)
{
	serve_certificate("DNS:other.example,DNS:" HOST, -1, 1);
	assert_trusted();
}

static void the_last_dot_of_a_name_does_not_matter(void **state)
{
	upstream.host = (char *)HOST ".";
	serve_certificate("DNS:" HOST, -1, 1);
	assert_trusted();
}

static void an_address_of_the_certificate_is_believed(void **state)
{
	upstream.host = (char *)"192.0.2.7";
	serve_certificate("IP:192.0.2.7", -1, 1);
	assert_trusted();
}

static void another_address_is_not(void **state)
{
	upstream.host = (char *)"2001:db8::7";
	serve_certificate("IP:2001:db8::8,DNS:" HOST, -1, 1);
	assert_refused(-EKEYREJECTED, "its certificate is not for 2001:db8::7");
}

static void c20_the_wrong_name_is_refused(void **state)
{
	serve_certificate("DNS:other.example", -1, 1);
	assert_refused(-EKEYREJECTED, "its certificate is not for " HOST);
}

static void a_common_name_is_no_name(void **state)
{
	upstream.host = (char *)"server";
	serve_certificate(NULL, -1, 1);
	assert_refused(-EKEYREJECTED, "its certificate is not for server");
}

static void c20_an_expired_certificate_is_refused(void **state)
{
	serve_certificate("DNS:" HOST, -3, -2);
	assert_refused(-EKEYREJECTED, "its certificate has expired on 20");
}

static void one_of_tomorrow_is_refused(void **state)
{
	serve_certificate("DNS:" HOST, 1, 2);
	assert_refused(-EKEYREJECTED, "its certificate is not valid before 20");
}

static void c20_an_unknown_authority_is_refused(void **state)
{
	struct identity other = make_identity(NULL, NULL, -1, 5);
	struct identity id = make_identity(&other, "DNS:" HOST, -1, 1);

	serve(make_context(&id, NULL));
	identity_done(&id);
	identity_done(&other);
	assert_refused(-EKEYREJECTED, "not by an authority that is trusted");
}

static void its_own_authority_is_refused(void **state)
{
	struct identity id = make_identity(NULL, "DNS:" HOST, -1, 1);

	serve(make_context(&id, NULL));
	identity_done(&id);
	assert_refused(-EKEYREJECTED, "not by an authority that is trusted");
}

static void the_systems_authorities_do_not_know_ours(void **state)
{
	upstream.ca_file = NULL;
	serve_certificate("DNS:" HOST, -1, 1);
	assert_refused(-EKEYREJECTED, "not by an authority that is trusted");
}

/* --- pins --------------------------------------------------------------------------------- */

static void a_pin_of_its_key_or_its_authoritys_fits(void **state)
{
	upstream.pins = 2;
	pin_of(&good, upstream.pin[1]);
	serve(make_context(&good, NULL));
	assert_trusted();
	transport_free(transport);
	server_free(server);
	pin_of(&authority, upstream.pin[1]);
	serve(make_context(&good, NULL));
	assert_trusted();
}

static void another_pin_is_refused(void **state)
{
	upstream.pins = 2;
	pin_of(&authority, upstream.pin[0]);
	upstream.pin[0][31] ^= 1;
	serve(make_context(&good, NULL));
	assert_refused(-EKEYREJECTED, "one of the pins");
}

static void a_pin_does_not_stand_in_for_verification(void **state)
{
	struct identity id = make_identity(&authority, "DNS:other.example", -1, 1);

	upstream.pins = 1;
	pin_of(&id, upstream.pin[0]);
	serve(make_context(&id, NULL));
	identity_done(&id);
	assert_refused(-EKEYREJECTED, "its certificate is not for " HOST);
}

/* --- how it speaks ------------------------------------------------------------------------ */

static void c20_an_old_version_is_refused(void **state)
{
	SSL_CTX *ctx = make_context(&good, NULL);

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	serve(ctx);
	assert_refused(-EPROTO, "no TLS of version 1.2 or later");
}

static void tls_1_2_is_spoken_and_resumed(void **state)
{
	SSL_CTX *ctx = make_context(&good, NULL);

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	serve(ctx);
	for (unsigned int i = 0; i < 3; i++) {
		assert_trusted();
		transport_reset(transport);
	}
	assert_int_equal(server->resumed, 2);
}

static void tls_1_3_is_resumed_again_and_again(void **state)
{
	serve(make_context(&good, NULL));
	for (unsigned int i = 0; i < 5; i++) {
		assert_trusted();
		transport_reset(transport);
	}
	assert_int_equal(server->resumed, 4);
}

static void a_session_of_an_expired_certificate_is_not_resumed(void **state)
{
	SSL_CTX *ctx;
	struct identity old = make_identity(&authority, "DNS:" HOST, -1, 0);

	/* expires while the session is still good */
	X509_gmtime_adj(X509_getm_notAfter(old.cert), 2);
	assert_true(X509_sign(old.cert, authority.key, EVP_sha256()) > 0);
	ctx = make_context(&old, NULL);
	serve(ctx);
	assert_trusted();
	turn_until(loop, X509_cmp_current_time(X509_get0_notAfter(old.cert)) < 0);
	transport_reset(transport);
	ask_wait(0);
	assert_int_equal(asks[0]->status, -EKEYREJECTED);
	assert_int_equal(server->resumed, 0);
	identity_done(&old);
}

static void weak_ciphers_are_refused(void **state)
{
	SSL_CTX *ctx = make_context(&good, NULL);

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-SHA256");
	serve(ctx);
	assert_refused(-EPROTO, "no cipher or key exchange");
}

static void greet_in_plaintext(struct peer *p)
{
	peer_send(p, "220 what is this\r\n", 18);
}

static void ignore(struct peer *p)
{
	p->len = 0;
}

static void what_does_not_speak_tls_is_refused(void **state)
{
	serve(NULL);
	server->greet = greet_in_plaintext;
	server->hear = ignore;
	ask_wait(0);
	assert_int_equal(asks[0]->status, -EPROTO);
	assert_non_null(strstr(error_text(), "what it says is not TLS"));
}

static bool in(const uint8_t *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text)) != NULL;
}

static void note_plaintext(struct peer *p)
{
	assert_false(in(p->in, p->len, "secret"));
}

/* The whole handshake lies open here: the question is in none of it. */
static void c20_nothing_is_asked_in_plaintext(void **state)
{
	serve(NULL);
	server->hear = note_plaintext;
	ask(0);
	turn_until(loop, server->heard > 0);
	settle_loop(loop);
	advance_ms(TRANSPORT_HANDSHAKE_MS + 1);
	turn_until(loop, asks[0]->done);
	assert_int_equal(asks[0]->status, -ETIMEDOUT);
	assert_non_null(strstr(error_text(), "no answer during the TLS handshake"));
}

static void c20_a_reset_in_the_handshake_is_said(void **state)
{
	serve(make_context(&good, NULL));
	server->reset = true;
	assert_refused(-ECONNRESET, "during the TLS handshake");
}

static void an_end_in_the_handshake_is_said(void **state)
{
	serve(NULL);
	server->hear = peer_leave;
	ask_wait(0);
	assert_int_equal(asks[0]->status, -ECONNRESET);
	assert_non_null(strstr(error_text(), "during the TLS handshake"));
}

static void c20_a_server_that_says_nothing_is_given_up(void **state)
{
	serve(make_context(&good, NULL));
	server->silent = true;
	ask(0);
	turn_until(loop, server->accepted);
	settle_loop(loop);
	assert_int_equal(asks[0]->done, 0);
	advance_ms(TRANSPORT_HANDSHAKE_MS + 1);
	turn_until(loop, asks[0]->done);
	assert_int_equal(asks[0]->status, -ETIMEDOUT);
	assert_non_null(strstr(error_text(), "no answer during the TLS handshake"));
}

static void dot_needs_no_alpn(void **state)
{
	serve(make_context(&good, "\2h2"));
	/* the server chose none: DoT does not need one */
	assert_trusted();
}

/* --- settings ----------------------------------------------------------------------------- */

static void an_authority_file_that_is_not_there_is_an_error(void **state)
{
	char error[TRANSPORT_ERROR_MAX];

	upstream.ca_file = (char *)"/nonexistent/ca.pem";
	assert_int_equal(new_transport(error), -ENOENT);
	assert_string_equal(error, "/nonexistent/ca.pem: No such file or directory");
}

static void an_authority_file_without_a_certificate_is_an_error(void **state)
{
	char error[TRANSPORT_ERROR_MAX];

	upstream.ca_file = (char *)"/dev/null";
	assert_int_equal(new_transport(error), -EINVAL);
	assert_string_equal(error, "/dev/null: no certificate in PEM form");
}

static void what_is_no_name_is_an_error(void **state)
{
	char error[TRANSPORT_ERROR_MAX];

	upstream.host = (char *)".";
	assert_int_equal(new_transport(error), -EINVAL);
	assert_string_equal(error, ". is no name of a host");
}

static void many_transports_may_follow_each_other(void **state)
{
	char error[TRANSPORT_ERROR_MAX];

	for (unsigned int i = 0; i < 300; i++) {
		assert_int_equal(new_transport(error), 0);
		transport_free(transport);
	}
	transport = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down_transport)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_of_the_certificate_is_believed),
		TEST(the_last_dot_of_a_name_does_not_matter),
		TEST(an_address_of_the_certificate_is_believed),
		TEST(another_address_is_not),
		TEST(c20_the_wrong_name_is_refused),
		TEST(a_common_name_is_no_name),
		TEST(c20_an_expired_certificate_is_refused),
		TEST(one_of_tomorrow_is_refused),
		TEST(c20_an_unknown_authority_is_refused),
		TEST(its_own_authority_is_refused),
		TEST(the_systems_authorities_do_not_know_ours),
		TEST(a_pin_of_its_key_or_its_authoritys_fits),
		TEST(another_pin_is_refused),
		TEST(a_pin_does_not_stand_in_for_verification),
		TEST(c20_an_old_version_is_refused),
		TEST(tls_1_2_is_spoken_and_resumed),
		TEST(tls_1_3_is_resumed_again_and_again),
		TEST(a_session_of_an_expired_certificate_is_not_resumed),
		TEST(weak_ciphers_are_refused),
		TEST(what_does_not_speak_tls_is_refused),
		TEST(c20_nothing_is_asked_in_plaintext),
		TEST(c20_a_reset_in_the_handshake_is_said),
		TEST(an_end_in_the_handshake_is_said),
		TEST(c20_a_server_that_says_nothing_is_given_up),
		TEST(dot_needs_no_alpn),
		TEST(an_authority_file_that_is_not_there_is_an_error),
		TEST(an_authority_file_without_a_certificate_is_an_error),
		TEST(what_is_no_name_is_an_error),
		TEST(many_transports_may_follow_each_other),
	};
	int r;

	make_authority(NULL);
	good = make_identity(&authority, "DNS:" HOST, -1, 5);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	identity_done(&good);
	remove_authority(NULL);
	return r;
}
