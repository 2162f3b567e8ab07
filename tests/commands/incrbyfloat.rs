//! INCRBYFLOAT, which computes in the extended precision of x87 (64 bits of mantissa, 15 of exponent), and writes
//! what it has computed with 17 digits behind the point, less the zeros at the end.

use crate::script::{check, connect, text};
use crate::support::server::{Client, Server};

#[test]
fn adds_and_returns_a_string() {
    check(
        r#"
        > INCRBYFLOAT k 1.5
        < "1.5"
        > INCRBYFLOAT k 1.25
        < "2.75"
        > INCRBYFLOAT k -3
        < "-0.25"
        > GET k
        < "-0.25"
        > SET k 10.50
        < +OK
        > INCRBYFLOAT k 0.1
        < "10.6"
        > INCRBYFLOAT k -5
        < "5.6"
        > SET k 5.0e3
        < +OK
        > INCRBYFLOAT k 2.0e2
        < "5200"
        > GET k
        < "5200"
        > TYPE k
        < +string
        > INCRBYFLOAT k
        < -ERR wrong number of arguments for 'incrbyfloat' command
        > INCRBYFLOAT k 1 1
        < -ERR wrong number of arguments for 'incrbyfloat' command
        "#,
    );
}

#[test]
fn drops_zeros_at_the_end_and_never_writes_an_exponent() {
    check(
        r#"
        > SET k 3.0
        < +OK
        > INCRBYFLOAT k 1.000
        < "4"
        > SET k 0.500
        < +OK
        > INCRBYFLOAT k 0.250
        < "0.75"
        > SET k 100
        < +OK
        > INCRBYFLOAT k 0
        < "100"
        > SET k 1.50
        < +OK
        > INCRBYFLOAT k 0
        < "1.5"
        > SET k 1e3
        < +OK
        > INCRBYFLOAT k 0
        < "1000"
        > SET k 1e-3
        < +OK
        > INCRBYFLOAT k 0
        < "0.001"
        > SET k 1e17
        < +OK
        > INCRBYFLOAT k 0
        < "100000000000000000"
        > SET k 1e-10
        < +OK
        > INCRBYFLOAT k 0
        < "0.0000000001"
        > SET k 1e21
        < +OK
        > INCRBYFLOAT k 0
        < "1000000000000000000000"
        "#,
    );
}

#[test]
fn writes_17_digits_behind_the_point() {
    check(
        r#"
        > SET k 0
        < +OK
        > INCRBYFLOAT k 1e-17
        < "0.00000000000000001"
        > SET k 0
        < +OK
        > INCRBYFLOAT k 1e-18
        < "0"
        > SET k 0
        < +OK
        > INCRBYFLOAT k 5.1e-18
        < "0.00000000000000001"
        > SET k 0
        < +OK
        > INCRBYFLOAT k 4.9e-18
        < "0"
        > SET k 0.12345678901234567890
        < +OK
        > INCRBYFLOAT k 0
        < "0.12345678901234568"
        > SET k 3.14159265358979323846
        < +OK
        > INCRBYFLOAT k 0
        < "3.14159265358979324"
        > SET k 0.99999999999999999999
        < +OK
        > INCRBYFLOAT k 0
        < "1"
        > SET k 1
        < +OK
        > INCRBYFLOAT k 1e-17
        < "1.00000000000000001"
        > SET k 3
        < +OK
        > INCRBYFLOAT k 1.000000000000000005
        < "4.00000000000000001"
        > SET k 100
        < +OK
        > INCRBYFLOAT k 1e-17
        < "100.00000000000000001"
        > SET k 1000
        < +OK
        > INCRBYFLOAT k 1e-16
        < "1000.00000000000000011"
        "#,
    );
}

#[test]
fn computes_with_64_bits_of_mantissa() {
    check(
        r#"
        > SET k 0.1
        < +OK
        > INCRBYFLOAT k 0.2
        < "0.3"
        > SET k 1.1
        < +OK
        > INCRBYFLOAT k 2.2
        < "3.3"
        > SET k 1
        < +OK
        > INCRBYFLOAT k 0.7
        < "1.7"
        > SET k 10
        < +OK
        > INCRBYFLOAT k -9.9
        < "0.1"
        > SET k 100.1
        < +OK
        > INCRBYFLOAT k 0.2
        < "100.3"
        > SET k 1000.3
        < +OK
        > INCRBYFLOAT k 0
        < "1000.29999999999999999"
        > SET k 123456.789
        < +OK
        > INCRBYFLOAT k 0.001
        < "123456.78999999999999915"
        > SET k 123456789.123456789
        < +OK
        > INCRBYFLOAT k 0
        < "123456789.12345678899873747"
        > SET k 1234567890123.123456789
        < +OK
        > INCRBYFLOAT k 0
        < "1234567890123.12345683574676514"
        > SET k 1234567890123456.7
        < +OK
        > INCRBYFLOAT k 0.1
        < "1234567890123456.7999267578125"
        > SET k 0.333333333333333333333
        < +OK
        > INCRBYFLOAT k 0.666666666666666666666
        < "1"
        > SET k 2.675
        < +OK
        > INCRBYFLOAT k 0
        < "2.675"
        > SET k -0.1
        < +OK
        > INCRBYFLOAT k -0.2
        < "-0.3"
        "#,
    );
}

#[test]
fn counts_whole_numbers_exactly_up_to_64_bits() {
    check(
        r#"
        > SET k 9007199254740992
        < +OK
        > INCRBYFLOAT k 1
        < "9007199254740993"
        > SET k 9223372036854775807
        < +OK
        > INCRBYFLOAT k 1
        < "9223372036854775808"
        > SET k 18446744073709551614
        < +OK
        > INCRBYFLOAT k 1
        < "18446744073709551615"
        > INCRBYFLOAT k 1
        < "18446744073709551616"
        > INCRBYFLOAT k 1
        < "18446744073709551616"
        > INCRBYFLOAT k 2
        < "18446744073709551618"
        > SET k -9223372036854775808
        < +OK
        > INCRBYFLOAT k -1
        < "-9223372036854775809"
        > SET k 1e18
        < +OK
        > INCRBYFLOAT k 1
        < "1000000000000000001"
        > INCRBYFLOAT k 0.5
        < "1000000000000000001.5"
        > INCRBYFLOAT k 0.0625
        < "1000000000000000001.5625"
        > SET k 1e19
        < +OK
        > INCRBYFLOAT k 0.5
        < "10000000000000000000"
        > INCRBYFLOAT k 1
        < "10000000000000000001"
        "#,
    );
}

#[test]
fn rounds_halves_to_the_even_neighbour() {
    check(
        r#"
        > SET k 18446744073709551616
        < +OK
        > INCRBYFLOAT k 1
        < "18446744073709551616"
        > SET k 18446744073709551618
        < +OK
        > INCRBYFLOAT k 1
        < "18446744073709551620"
        > SET k 18446744073709551616
        < +OK
        > INCRBYFLOAT k 1.0000000000000000001
        < "18446744073709551618"
        > SET k 36893488147419103230
        < +OK
        > INCRBYFLOAT k 1
        < "36893488147419103232"
        "#,
    );
}

#[test]
fn writes_large_numbers_in_full() {
    check(
        r#"
        > SET k 1e22
        < +OK
        > INCRBYFLOAT k 1
        < "10000000000000000000000"
        > SET k 1e30
        < +OK
        > INCRBYFLOAT k 0
        < "1000000000000000000024696061952"
        > SET k 123456789012345678901234567890
        < +OK
        > INCRBYFLOAT k 1
        < "123456789012345678899921813504"
        > SET k 1e100
        < +OK
        > INCRBYFLOAT k 0
        < "9999999999999999999669353532207342619498699019828496079271391541752018669482644324418977840117055488"
        > SET k 1.7976931348623157e308
        < +OK
        > INCRBYFLOAT k 0
        < "179769313486231569995921046774104434048386446944329178485314420765176628523124396354701868608387085564428793419425520689308708363451136055357897278026477617073498977686288394835618163294045594434929537447290627480669417384648879122776218333598953852832103282504751611691208117720159985926376802466863339536384"
        "#,
    );
}

#[test]
fn has_no_negative_zero() {
    check(
        r#"
        > SET k -0
        < +OK
        > INCRBYFLOAT k 0
        < "0"
        > SET k -0.0
        < +OK
        > INCRBYFLOAT k -0.0
        < "0"
        > SET k 1
        < +OK
        > INCRBYFLOAT k -1
        < "0"
        > SET k 0
        < +OK
        > INCRBYFLOAT k -1e-18
        < "0"
        > GET k
        < "0"
        > SET k 0
        < +OK
        > INCRBYFLOAT k -1e-30
        < "0"
        "#,
    );
}

#[test]
fn takes_numbers_as_c_reads_them() {
    check(
        r#"
        > SET k 1
        < +OK
        > INCRBYFLOAT k 1.
        < "2"
        > INCRBYFLOAT k .5
        < "2.5"
        > INCRBYFLOAT k +1
        < "3.5"
        > INCRBYFLOAT k 1e2
        < "103.5"
        > INCRBYFLOAT k 1E+2
        < "203.5"
        > INCRBYFLOAT k 1e-2
        < "203.51"
        > INCRBYFLOAT k 007
        < "210.51"
        > INCRBYFLOAT k -.25
        < "210.26"
        > INCRBYFLOAT k 0e5
        < "210.26"
        > INCRBYFLOAT k 0x10
        < "226.26"
        > INCRBYFLOAT k 0x.8p1
        < "227.26"
        > INCRBYFLOAT k 0X1P-1
        < "227.76"
        > SET k 0x10
        < +OK
        > INCRBYFLOAT k 1
        < "17"
        > SET k +5
        < +OK
        > INCRBYFLOAT k 1
        < "6"
        > SET k 007
        < +OK
        > INCRBYFLOAT k 1
        < "8"
        > SET k .5
        < +OK
        > INCRBYFLOAT k 1
        < "1.5"
        "#,
    );
}

#[test]
fn refuses_what_is_no_number() {
    check(
        r#"
        > INCRBYFLOAT k x
        < -ERR value is not a valid float
        > INCRBYFLOAT k ""
        < -ERR value is not a valid float
        > INCRBYFLOAT k " 1"
        < -ERR value is not a valid float
        > INCRBYFLOAT k "1 "
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1x
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1,5
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1e
        < -ERR value is not a valid float
        > INCRBYFLOAT k .
        < -ERR value is not a valid float
        > INCRBYFLOAT k -
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1.2.3
        < -ERR value is not a valid float
        > INCRBYFLOAT k --1
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0x
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1_000
        < -ERR value is not a valid float
        > INCRBYFLOAT k "1\x00"
        < -ERR value is not a valid float
        > INCRBYFLOAT k nan
        < -ERR value is not a valid float
        > INCRBYFLOAT k -nan
        < -ERR value is not a valid float
        > INCRBYFLOAT k NaN
        < -ERR value is not a valid float
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn refuses_values_that_are_no_number() {
    check(
        r#"
        > SET k ""
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k x
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > GET k
        < "x"
        > SET k " 1"
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k "1 "
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k 1x
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k 1,5
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k nan
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k "1\x00"
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k 1e99999
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > SET k 1e-99999
        < +OK
        > INCRBYFLOAT k 1
        < -ERR value is not a valid float
        > GET k
        < "1e-99999"
        "#,
    );
}

#[test]
fn reads_infinity_but_does_not_compute_with_it() {
    check(
        r#"
        > SET k 1
        < +OK
        > INCRBYFLOAT k inf
        < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT k -inf
        < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT k +Inf
        < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT k infinity
        < -ERR increment would produce NaN or Infinity
        > GET k
        < "1"
        > INCRBYFLOAT new inf
        < -ERR increment would produce NaN or Infinity
        > EXISTS new
        < :0
        > SET k inf
        < +OK
        > INCRBYFLOAT k 1
        < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT k -inf
        < -ERR increment would produce NaN or Infinity
        > GET k
        < "inf"
        "#,
    );
}

#[test]
fn refuses_numbers_too_large_or_too_small_for_it() {
    check(
        r#"
        > SET k 1
        < +OK
        > INCRBYFLOAT k 1e5000
        < -ERR value is not a valid float
        > INCRBYFLOAT k -1e5000
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1e-5000
        < -ERR value is not a valid float
        > INCRBYFLOAT k -1e-5000
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1e-4940
        < "1"
        > SET k 1e4932
        < +OK
        > INCRBYFLOAT k 1e4932
        < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT k -1e4932
        < "0"
        "#,
    );
}

#[test]
fn looks_at_the_value_before_its_argument() {
    check(
        r#"
        > SADD s a
        < :1
        > INCRBYFLOAT s 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCRBYFLOAT s x
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SET k x
        < +OK
        > INCRBYFLOAT k y
        < -ERR value is not a valid float
        > SMEMBERS s
        <2 *1 "a"
        <3 ~1 "a"
        "#,
    );
}

/// Values, what is added to them, and the sums.
fn check_sums(sums: &[(&str, &str, &str)]) {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for &(value, increment, sum) in sums {
        assert_eq!(add(&mut client, value, increment), sum, "{value} + {increment}");
        assert_eq!(text(&client.ask(&["GET", "k"])), sum, "{value} + {increment}");
    }
}

fn add(client: &mut Client, value: &str, increment: &str) -> String {
    client.ask(&["SET", "k", value]);
    text(&client.ask(&["INCRBYFLOAT", "k", increment]))
}

#[test]
fn sums_of_short_numbers_are_the_same_to_the_last_digit() {
    check_sums(&[
        ("0", "0.1", "0.1"),
        ("0.1", "0.1", "0.2"),
        ("0.2", "0.1", "0.3"),
        ("0.3", "-0.1", "0.2"),
        ("0.7", "0.1", "0.8"),
        ("1.1", "0.1", "1.2"),
        ("4.35", "0.01", "4.36"),
        ("9.99", "0.01", "10"),
        ("19.99", "5.01", "25"),
        ("99.95", "0.05", "100"),
        ("0.05", "0.01", "0.06"),
        ("100", "-0.01", "99.99"),
        ("1234.56", "0.44", "1235"),
        ("-1.5", "0.25", "-1.25"),
        ("2.5", "2.5", "5"),
        ("0.015", "0.005", "0.02"),
        ("1e2", "1e-2", "100.01"),
        ("3.3", "3.3", "6.6"),
        ("1000000.1", "0.2", "1000000.30000000000001137"),
        ("123.456", "-123.456", "0"),
        ("5", "1e-3", "5.001"),
        ("1e-7", "1e-7", "0.0000002"),
        ("0.000001", "0.0000001", "0.0000011"),
        ("-1338.73678", "5.1", "-1333.63678000000000001"),
        ("-5007.65837", "58.91", "-4948.74836999999999998"),
        ("-3148.309867", "46.1", "-3102.2098669999999998"),
        ("1823.311133", "30.337793", "1853.648926"),
        ("-52.67503", "-91.40467", "-144.07970000000000001"),
        ("-5688.43809", "-80.86", "-5769.29808999999999974"),
        ("-1656.4", "-48.03", "-1704.43000000000000005"),
        ("-3859.016672", "-49.3", "-3908.31667200000000006"),
        ("4126.973", "-39.1106", "4087.86239999999999983"),
        ("6924.8", "2.716208", "6927.51620799999999978"),
        ("9322.0002", "-58.40299", "9263.59721000000000046"),
        ("3564.795", "29.5158", "3594.31079999999999997"),
        ("615.6514", "-51.662176", "563.98922399999999999"),
        ("-535.63", "-24.9046", "-560.53460000000000002"),
        ("-62.8814", "90.2", "27.3186"),
        ("-3141.824", "97.277", "-3044.54700000000000015"),
        ("4254.41", "-85.044", "4169.3660000000000001"),
        ("-5926.0", "81.168905", "-5844.83109499999999992"),
        ("-5688.04252", "38.548206", "-5649.49431400000000014"),
        ("7395.688821", "99.13", "7494.8188209999999998"),
        ("4885.0", "92.86481", "4977.86480999999999986"),
        ("-2352.83", "88.95909", "-2263.87091000000000007"),
        ("6792.27", "-5.4854", "6786.78460000000000019"),
        ("-5456.6039", "91.555", "-5365.04889999999999972"),
        ("-1227.11", "-85.08", "-1312.18999999999999995"),
        ("-9758.00109", "37.5629", "-9720.43818999999999964"),
        ("-2479.078353", "54.448374", "-2424.62997899999999984"),
        ("-9626.7487", "-74.767734", "-9701.51643400000000028"),
        ("-3861.32792", "-97.0162", "-3958.34411999999999998"),
        ("-3421.9", "-80.8252", "-3502.72519999999999984"),
        ("4339.9", "-55.43", "4284.46999999999999975"),
        ("2588.151423", "-17.40653", "2570.74489300000000003"),
        ("-611.3937", "-77.71123", "-689.10492999999999997"),
        ("-4547.1", "-63.749", "-4610.8490000000000002"),
        ("2102.74", "-57.32", "2045.42000000000000004"),
        ("-4095.25", "43.2", "-4052.05000000000000004"),
        ("-2233.16", "-80.7272", "-2313.88719999999999999"),
        ("3436.594", "-54.2", "3382.39400000000000013"),
        ("-6717.17", "-50.29332", "-6767.46331999999999995"),
        ("-7403.0365", "-55.117", "-7458.15350000000000019"),
    ]);
}

#[test]
fn sums_of_long_numbers_are_the_same_to_the_last_digit() {
    check_sums(&[
        ("427530572.075932696360062027", "64428.29280131057773691590", "427595000.36873400694457814"),
        ("56435.731069578059335405", "-741125.81794011007377742517", "-684690.08687053201441586"),
        ("415.292776069704185326", "43680765.60294107087882320191", "43681180.89571714058547514"),
        ("7757.833241352078047219", "6.86566794838242515277", "7764.6989093004604725"),
        ("77413098769.084261935903386322", "582.30242099420297810540", "77413099351.38668293505907059"),
        ("750142747.929960306420486794", "9.33636412349741291747", "750142757.26632442994741723"),
        ("5871103689.699782614082226250", "55.38797105036339952484", "5871103745.08775366470217705"),
        ("3688642926.488871470029496350", "-18776.23606898263337232017", "3688624150.25280248746275902"),
        ("95013.434725686056964666", "7445200.90267777924291998657", "7540214.33740346529975795"),
        ("6045818744.090219000820490948", "-67263380.23922806338376511335", "5978555363.85099093755707145"),
        ("172897.669656407307013560", "-13199816.09565775959795257737", "-13026918.42600135229076841"),
        ("76204.238323012927487743", "18430.16510724336258798445", "94634.40343025629007911"),
        ("6686751287.252520741237646262", "8749930.63731592700673819902", "6695501217.8898366685025394"),
        ("70.597175035903210677", "4404.54067573875615717760", "4475.13785077465936801"),
        ("729676.077528460687654292", "94449.07791176946220174144", "824125.15544023014984987"),
        ("7.401142315042951739", "27.99993548217935919771", "35.40107779722231094"),
        (
            "659628521001.080323452883605982",
            "-90515964.72174400084319694483",
            "659538005036.35857945680618286",
        ),
        ("3516334.706519249312914659", "-2558568.56791337363445955839", "957766.13860587567842231"),
        ("345468.191025584002994871", "-5794.74487889951660638927", "339673.4461466844863935"),
        ("3616.457757116522112253", "55585937.74572872682046163276", "55589554.20348584333987674"),
        ("504.502761947046192990", "11.79859325586178955808", "516.30135520290798257"),
        ("177328342.559197682533534945", "-3892.15474183179708577917", "177324450.4044558507448528"),
        ("33497590834.316838134951905155", "4.09547708234509807840", "33497590838.41231521591544151"),
        ("867617906293.938586280172690024", "-2.36299817884444346899", "867617906291.57558810710906982"),
        ("71359.032533922418075140", "-287900.40051191134482183942", "-216541.3679779889267536"),
    ]);
}

#[test]
fn sums_of_very_different_numbers_are_the_same_to_the_last_digit() {
    check_sums(&[
        ("9.950125912E-16", "-7.902128726e12", "-7902128726000"),
        ("1.553902282E-11", "-9.155791208e-8", "-0.00000009154237306"),
        ("1.788491396E9", "-8.562918266e18", "-8562918264211508604"),
        ("8.287982885E10", "8.747561038e-15", "82879828850"),
        ("4.996127450E-9", "3.368388699e23", "336838869900000000016384"),
        ("6.518564866E-9", "4.833281237e10", "48332812370.0000000074505806"),
        ("8.91381093E15", "-5.1311338e-10", "8913810930000000"),
        ("1.492204756E-2", "1.339904209e8", "133990420.91492204755923012"),
        ("8.948208888E-9", "8.225618844e20", "822561884400000000000"),
        ("2.553540785E19", "-2.398572368e-12", "25535407850000000000"),
        ("8.259966454E6", "6.377262569e21", "6377262569000008260096"),
        ("1.827097815E1", "-9.822150963e-5", "18.27087992849037"),
        ("5.126216756E28", "-9.277968425e0", "51262167559999999998336958464"),
        ("2.290982804E9", "2.640514157e-15", "2290982804"),
        ("4.117849979E30", "-9.745391687e-2", "4117849978999999999981362610176"),
        ("2.182497669E22", "-5.805386669e9", "21824976689994194614272"),
        ("8.120252831E23", "4.869583722e25", "49507862503100000002637824"),
        ("5.491162586E-7", "-8.788229881e-7", "-0.0000003297067295"),
        ("7.250797141E30", "6.301321296e1", "7250797140999999999810297921536"),
        ("8.937917561E10", "-4.740931219e26", "-474093121899999910606929920"),
    ]);
}

#[test]
fn the_last_digit_is_rounded_from_the_exact_value_and_halves_to_the_even_one() {
    check_sums(&[
        ("0.000003814697265625", "0", "0.00000381469726562"),
        ("-0.000003814697265625", "0", "-0.00000381469726562"),
        ("0.000011444091796875", "0", "0.00001144409179688"),
        ("-0.000011444091796875", "0", "-0.00001144409179688"),
        ("0.000019073486328125", "0", "0.00001907348632812"),
        ("-0.000019073486328125", "0", "-0.00001907348632812"),
        ("0.000026702880859375", "0", "0.00002670288085938"),
        ("-0.000026702880859375", "0", "-0.00002670288085938"),
        ("0.499996185302734375", "0", "0.49999618530273438"),
        ("-0.499996185302734375", "0", "-0.49999618530273438"),
        ("0.500003814697265625", "0", "0.50000381469726562"),
        ("-0.500003814697265625", "0", "-0.50000381469726562"),
        ("0.999996185302734375", "0", "0.99999618530273438"),
        ("-0.999996185302734375", "0", "-0.99999618530273438"),
        ("1.000003814697265625", "0", "1.00000381469726562"),
        ("-1.000003814697265625", "0", "-1.00000381469726562"),
        ("0.0000019073486328125", "0", "0.00000190734863281"),
        ("1.0000019073486328125", "0", "1.00000190734863281"),
    ]);
}

#[test]
fn what_is_read_is_rounded_to_the_nearest_of_64_bits_and_halves_to_the_even_one() {
    check_sums(&[
        ("18446744073709551617", "0", "18446744073709551616"),
        ("18446744073709551618", "0", "18446744073709551618"),
        ("18446744073709551619", "0", "18446744073709551620"),
        ("18446744073709551621", "0", "18446744073709551620"),
        ("36893488147419103234", "0", "36893488147419103232"),
        ("36893488147419103238", "0", "36893488147419103240"),
        ("9223372036854775809", "0", "9223372036854775809"),
        ("18446744073709551616.999", "0", "18446744073709551616"),
        ("18446744073709551617.0000000000000000000001", "0", "18446744073709551618"),
        ("9223372036854775808.5", "0", "9223372036854775808"),
        ("9223372036854775807.5", "0", "9223372036854775807.5"),
        ("9223372036854775808.25", "0", "9223372036854775808"),
        ("9223372036854775807.25", "0", "9223372036854775807"),
        ("4611686018427387904.25", "0", "4611686018427387904"),
        ("4611686018427387904.125", "0", "4611686018427387904"),
        ("4611686018427387904.375", "0", "4611686018427387904.5"),
        ("4611686018427387904.37500000000000000000000000000000000001", "0", "4611686018427387904.5"),
        ("0.9999999999999999999728949456878876", "0", "1"),
        ("0.99999999999999999997289494568788762", "0", "1"),
        ("0.1000000000000000000013552527156068805425093160010874271392822265625", "0", "0.1"),
    ]);
}

#[test]
fn the_smallest_numbers_are_those_that_do_not_become_zero() {
    check(
        r#"
        > INCRBYFLOAT k 0x1p-16445
        < "0"
        > INCRBYFLOAT k 0x1p-16446
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1.9e-4951
        < "0"
        > INCRBYFLOAT k 1.8e-4951
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0e99999
        < "0"
        > INCRBYFLOAT k 0e-99999
        < "0"
        > INCRBYFLOAT k 1e-999999999999
        < -ERR value is not a valid float
        "#,
    );
}

#[test]
fn the_largest_numbers_are_those_that_do_not_become_infinite() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let largest = "1.18973149535723176502e+4932";
    let digits = add(&mut client, "0", largest);
    assert_eq!(digits.len(), 4_933);
    assert!(digits.starts_with("118973149535723176502126385303097020516906332229462420044032"), "{digits}");
    assert!(digits.ends_with("45960769508849149662444156604419552086811989770240"), "{digits}");
    assert_eq!(add(&mut client, &digits, "1e4900"), digits, "too little to make a difference");
    let refusal = b"-ERR increment would produce NaN or Infinity\r\n";
    assert_eq!(client.ask(&["INCRBYFLOAT", "k", largest]), refusal);
    let refusal = b"-ERR value is not a valid float\r\n";
    assert_eq!(client.ask(&["INCRBYFLOAT", "k", "1.18973149535723176509e+4932"]), refusal);
    assert_eq!(client.ask(&["INCRBYFLOAT", "k", "1e999999999999"]), refusal);
    assert_eq!(text(&client.ask(&["GET", "k"])), digits);
}

#[test]
fn a_number_has_5119_characters_at_most() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let zero = |characters: usize| format!("0.{}", "0".repeat(characters - 2));
    assert_eq!(add(&mut client, &zero(5_119), "1"), "1");
    assert_eq!(add(&mut client, "1", &zero(5_119)), "1");
    let refusal = b"-ERR value is not a valid float\r\n";
    assert_eq!(client.ask(&["INCRBYFLOAT", "k", &zero(5_120)]), refusal);
    client.ask(&["SET", "k", &zero(5_120)]);
    assert_eq!(client.ask(&["INCRBYFLOAT", "k", "1"]), refusal);
}

#[test]
fn refuses_what_is_only_the_beginning_of_a_number() {
    check(
        r#"
        > INCRBYFLOAT k 1e+
        < -ERR value is not a valid float
        > INCRBYFLOAT k .e5
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0x.p1
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0x1p
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1p5
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0xg
        < -ERR value is not a valid float
        > INCRBYFLOAT k +
        < -ERR value is not a valid float
        > INCRBYFLOAT k +-1
        < -ERR value is not a valid float
        > INCRBYFLOAT k in
        < -ERR value is not a valid float
        > INCRBYFLOAT k infinit
        < -ERR value is not a valid float
        > INCRBYFLOAT k infinityx
        < -ERR value is not a valid float
        > INCRBYFLOAT k nan(1)
        < -ERR value is not a valid float
        > INCRBYFLOAT k 1f
        < -ERR value is not a valid float
        > INCRBYFLOAT k 0b1
        < -ERR value is not a valid float
        > INCRBYFLOAT k "\t1"
        < -ERR value is not a valid float
        > INCRBYFLOAT k "1\n"
        < -ERR value is not a valid float
        "#,
    );
}
